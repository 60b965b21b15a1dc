"""What an actor-critic agent carries, and the one gradient step that moves each part of it."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import optax

from rankq_jax.types import Critic, Metrics, Params, Policy


class Trainable(NamedTuple):
    """Parameters and the state of the optimiser that moves them."""

    params: Params
    opt_state: optax.OptState


class ActorCriticState(NamedTuple):
    """One type for every actor-critic agent, so that a later phase can go on with another one.

    `duals` always holds every dual variable, used or not: `temperature` and `cql_weight`, both as
    logarithms.
    """

    step: jax.Array  # [] int32, updates done
    actor: Trainable
    critic: Trainable
    target_critic: Params
    duals: dict[str, Trainable]


class Optimisers(NamedTuple):
    """One optimiser per group of parameters; clipping is per group."""

    actor: optax.GradientTransformation
    critic: optax.GradientTransformation
    duals: dict[str, optax.GradientTransformation]


class Parts(NamedTuple):
    """What every agent is built from."""

    policy: Policy
    critic: Critic
    optimisers: Optimisers
    action_size: int


def gradient_step(
    loss: Callable[..., tuple[jax.Array, Metrics]], optimiser: optax.GradientTransformation
) -> Callable[..., tuple[Trainable, Metrics]]:
    """`(trainable, *args) -> (trainable, metrics)` for `loss(params, *args) -> (scalar, metrics)`."""

    def step(trainable: Trainable, *args: Any) -> tuple[Trainable, Metrics]:
        (value, metrics), gradient = jax.value_and_grad(loss, has_aux=True)(trainable.params, *args)
        updates, opt_state = optimiser.update(gradient, trainable.opt_state, trainable.params)
        metrics = {**metrics, "loss": value, "gradient_norm": optax.tree.norm(gradient)}
        return Trainable(optax.apply_updates(trainable.params, updates), opt_state), metrics

    return step
