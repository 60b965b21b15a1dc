"""Losses as functions of arrays: no network, no configuration, no averaging over the batch."""

from rankq_jax.losses.conservative import calibrate, log_sum_exp_gap
from rankq_jax.losses.flow import (
    bounded_log_deviation,
    chain_log_density,
    clip_one_sided,
    flow_matching,
    generate,
    interpolate,
    sample_time,
)
from rankq_jax.losses.policy import (
    advantage_weight,
    entropy_regularised,
    squared_distance,
    temperature_dual,
    temperature_product,
    value_scale,
)
from rankq_jax.losses.preference import ranknet_cross_entropy
from rankq_jax.losses.ranking import (
    RANKQ_ORDER,
    Pair,
    order_loss,
    pair_loss,
    pair_slope,
    ranking_accuracy,
    settled_share,
)
from rankq_jax.losses.td import ensemble_min, squared_td, td_target
from rankq_jax.losses.value import expectile

__all__ = [
    "RANKQ_ORDER",
    "Pair",
    "advantage_weight",
    "bounded_log_deviation",
    "calibrate",
    "chain_log_density",
    "clip_one_sided",
    "ensemble_min",
    "entropy_regularised",
    "expectile",
    "flow_matching",
    "generate",
    "interpolate",
    "log_sum_exp_gap",
    "order_loss",
    "pair_loss",
    "pair_slope",
    "ranking_accuracy",
    "ranknet_cross_entropy",
    "sample_time",
    "settled_share",
    "squared_distance",
    "squared_td",
    "td_target",
    "temperature_dual",
    "temperature_product",
    "value_scale",
]
