"""Critic regularizers: what an algorithm adds to the TD error of each critic member.

A regularizer sees a `CriticView` and not the agent, so that it serves every agent with a critic.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp

from rankq_jax.action_sets import ActionSets
from rankq_jax.losses import Pair, calibrate, log_sum_exp_gap, order_loss, ranking_accuracy
from rankq_jax.types import Key, Metrics, Transition


class CriticView(NamedTuple):
    """A critic in the middle of its loss.

    Attributes:
      q_of_set: `action [B, N, *A] -> [E, B, N]` at the batch's observations, through the parameters
        that are being differentiated.
      q_data: `[E, B]`, values of the batch's actions, shared with the TD term.
      propose: `(observation, key, N) -> (action [B, N, *A], log density [B, N])`, policy samples.
      duals: logarithms of the dual variables; constants here.
    """

    q_of_set: Callable[[jax.Array], jax.Array]
    q_data: jax.Array
    propose: Callable[[jax.Array, Key, int], tuple[jax.Array, jax.Array]]
    duals: Mapping[str, jax.Array]


# (view, batch, key) -> (penalty [E, B], metrics)
Regularizer = Callable[[CriticView, Transition, Key], tuple[jax.Array, Metrics]]


def no_regularizer() -> Regularizer:
    """No regularizer: plain TD learning."""
    return lambda view, batch, key: (jnp.zeros_like(view.q_data), {})


def column_of(batch: Transition, name: str) -> jax.Array | None:
    """`[B, ...]`: a column of the extras, or else an array of the observation; None where neither has it."""
    seen = batch.observation if isinstance(batch.observation, Mapping) else {}
    return batch.extras.get(name, seen.get(name))


def rankq_regularizer(
    sets: ActionSets, order: Sequence[Pair], weights: Mapping[str, float], permuted_within: str = ""
) -> Regularizer:
    """The multi-term ranking loss of RankQ (Eqs. A.1 to A.3 of arXiv 2605.11151), per critic member.

    Args:
      sets: the perturbed actions; their names, and `data`, are what `order` speaks about.
      order: the constraints. An ablation is a shorter tuple.
      weights: `{"success": alpha_0, "failure": alpha_1}`. The mean that follows is over all rows of the
        minibatch, so the share of success rows scales the terms.
      permuted_within: names what rows share that lend each other their actions, see `column_of`.
    """

    def regularizer(view: CriticView, batch: Transition, key: Key) -> tuple[jax.Array, Metrics]:
        actions = sets(key, batch.action, column_of(batch, permuted_within))
        q_set = view.q_of_set(jnp.stack(list(actions.values()), axis=1))  # [E, B, 4], one call
        q = {"data": view.q_data, **{name: q_set[..., i] for i, name in enumerate(actions)}}
        success = batch.extras["success"]
        rows = {"success": success, "failure": 1.0 - success}
        row_weight = {label: weights[label] * rows[label] for label in rows}
        penalty = jax.vmap(lambda q: order_loss(q, order, row_weight))(q)
        metrics = {f"rank/{k}": v for k, v in ranking_accuracy(q, order, rows).items()}
        return penalty, {**metrics, "rank/success_share": jnp.mean(success)}

    return regularizer


def cql_regularizer(
    samples: int = 10,
    temperature: float = 1.0,
    importance_sampling: bool = True,
    calibrated: bool = False,
    clip: tuple[float, float] = (-jnp.inf, jnp.inf),
    next_samples: bool = True,
) -> Regularizer:
    """The gap of CQL(H), or with `calibrated` of Cal-QL, per critic member and row; unweighted.

    Three sets of `samples` actions go through the critic in one call: uniform, from the policy at the
    current observation, and from the policy at the next one. As in the published code the last set is
    scored at the current observation too. Calibration floors the policy's values, not the uniform ones,
    at `batch.extras["mc_return"]`.

    Args:
      samples: actions per set.
      temperature: of the log-sum-exp.
      importance_sampling: subtract each action's log density; else the data action joins the terms.
      calibrated: floor the policy's values at the return-to-go (Eq. 5.1 of arXiv 2303.05479).
      clip: bounds of the gap of each row, before any mean.
      next_samples: whether there is the set of the next observation.
    """

    def regularizer(view: CriticView, batch: Transition, key: Key) -> tuple[jax.Array, Metrics]:
        k_uniform, k_current, k_next = jax.random.split(key, 3)
        proposed = [view.propose(batch.observation, k_current, samples)]
        if next_samples:
            proposed.append(view.propose(batch.next_observation, k_next, samples))
        current, log_current = proposed[0]
        uniform = jax.random.uniform(k_uniform, current.shape, current.dtype, -1.0, 1.0)
        action_size = batch.action[0].size
        log_uniform = jnp.full(log_current.shape, action_size * jnp.log(0.5), current.dtype)

        actions = [uniform, *(action for action, _ in proposed)]
        q = view.q_of_set(jnp.concatenate(actions, axis=1))  # [E, B, 3 N], or 2 N
        metrics: Metrics = {}
        if calibrated:
            floor = batch.extras["mc_return"]
            from_policy = q[..., samples:]
            metrics["cql/below_return"] = jnp.mean(from_policy < floor[None, :, None])
            q = jnp.concatenate([q[..., :samples], calibrate(from_policy, floor)], axis=-1)
        log_density = jnp.concatenate([log_uniform, *(density for _, density in proposed)], axis=1)
        gap = log_sum_exp_gap(q, view.q_data, log_density if importance_sampling else None, temperature)
        gap = jnp.clip(gap, *clip)
        return gap, {**metrics, "cql/gap": jnp.mean(gap)}

    return regularizer


def scaled(inner: Regularizer, weight: float) -> Regularizer:
    """`weight` times the penalty of `inner`."""

    def regularizer(view: CriticView, batch: Transition, key: Key) -> tuple[jax.Array, Metrics]:
        penalty, metrics = inner(view, batch, key)
        return weight * penalty, metrics

    return regularizer


def dual_scaled(inner: Regularizer, weight: float, threshold: float) -> Regularizer:
    """`alpha' weight (penalty - threshold)` with the dual variable `cql_weight` as `alpha'` in [0, 1e6].

    Eq. 30 of CQL (arXiv 2006.04779); as in the published code `weight` multiplies `alpha'` too.
    """

    def regularizer(view: CriticView, batch: Transition, key: Key) -> tuple[jax.Array, Metrics]:
        penalty, metrics = inner(view, batch, key)
        multiplier = jnp.clip(jnp.exp(view.duals["cql_weight"]), 0.0, 1e6)
        return multiplier * weight * (penalty - threshold), metrics

    return regularizer
