"""Losses as functions of arrays: no network, no configuration, no averaging over the batch."""

from rankq_jax.losses.conservative import calibrate, log_sum_exp_gap
from rankq_jax.losses.policy import entropy_regularised, temperature_dual
from rankq_jax.losses.ranking import (
    RANKQ_ORDER,
    Pair,
    order_loss,
    pair_loss,
    ranking_accuracy,
)
from rankq_jax.losses.td import ensemble_min, squared_td, td_target

__all__ = [
    "RANKQ_ORDER",
    "Pair",
    "calibrate",
    "ensemble_min",
    "entropy_regularised",
    "log_sum_exp_gap",
    "order_loss",
    "pair_loss",
    "ranking_accuracy",
    "squared_td",
    "td_target",
    "temperature_dual",
]
