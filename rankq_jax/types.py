"""Types that every floor shares, and the letters that shapes are written in.

Shapes: `B` batch rows, `N` candidate actions, `E` critic members, `K` updates per call, `S` seeds,
`D` devices, `T` recorded steps, `n` environment rows, `*O` an observation event, `*A` an action event.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

Key = jax.Array  # a typed PRNG key, `jax.random.key(...)`
Params = Any  # pytree of arrays
Metrics = dict[str, jax.Array]  # float32 scalars, e.g. "critic/td"
PREFERRED_ACTION = "preferred_action"  # column of `Transition.extras` that preferences write and OAP reads
WAYPOINT = "waypoint"  # column of rows of control steps: where the robot's own state leads, see `data.chunks`
Schedule = Callable[[jax.typing.ArrayLike], jax.typing.ArrayLike]  # environment steps -> value


class Transition(NamedTuple):
    """A minibatch, or a whole dataset, of environment steps. Leaves lead with `[B]`.

    Attributes:
      observation: `[B, *O]`.
      action: `[B, *A]` in [-1, 1].
      reward: `[B]`, already transformed (see `data.prepare.RewardTransform`).
      discount: `[B]`, `gamma * (1 - terminated)`; a truncated step keeps its discount.
      next_observation: `[B, *O]`.
      extras: named `[B, ...]` arrays: `mc_return` (return-to-go), `success` (0 or 1 for the whole
        trajectory that the step belongs to), `next_action` (`[B, *A]`, the next one recorded), where
        preferences are asked for, `preferred_action` (`[B, *A]`), and where chunks are imitated,
        `waypoint` (`[B, p]`).
    """

    observation: Any
    action: Any
    reward: Any
    discount: Any
    next_observation: Any
    extras: dict[str, Any]


class Agent(NamedTuple):
    """A learning algorithm as pure functions over a state that holds arrays only.

    Attributes:
      init: `(key, example) -> state`; `example` is a `Transition` of any batch size, a whole dataset where a
        wrapper takes statistics of it. The state has a field `step`, the number of updates.
      update: `(state, batch, key) -> (state, metrics)`. Wrappers in `lifting` change what `batch` is.
      act: `(params, observation, key) -> action [B, *A]`, exploring.
      act_greedy: `(params, observation, key) -> action [B, *A]`, greedy.
      params: `state -> params`, the part of the state that acting needs.
      name: the name of the algorithm; wrappers keep it.
      values: `(state, observation [B, *O], actions [B, N, *A]) -> q [E, B, N]`, the critic's values of N
        actions of each state; None: the agent has no critic.
    """

    init: Callable[..., Any]
    update: Callable[..., tuple[Any, Metrics]]
    act: Callable[[Params, Any, Key], jax.Array]
    act_greedy: Callable[[Params, Any, Key], jax.Array]
    params: Callable[[Any], Params]
    name: str = ""
    values: Callable[[Any, Any, Any], jax.Array] | None = None


class Measured(NamedTuple):
    """A number about some rows of a batch.

    Attributes:
      value: `[...]` float32, finite.
      rows: `[...]` float32, how many rows it is about. Where it is 0 there is no such number, and `value`
        means nothing.
    """

    value: jax.Array
    rows: jax.Array


class Policy(NamedTuple):
    """A policy.

    Attributes:
      init: `(key, observation [B, *O], action [B, *A]) -> params`.
      sample: `(params, observation, key) -> (action [B, *A], log density [B])`; the density is NaN where the
        policy has none.
      mode: `(params, observation) -> action [B, *A]`.
      log_density: `(params, observation, action [B, *A], key) -> [B]` of given actions. A key switches the
        dropout of training on, None leaves it off. None in place of the function: a deterministic policy.
      flow: the `networks.Flow` that it integrates; None: it is no flow policy.
    """

    init: Callable[[Key, Any, Any], Params]
    sample: Callable[[Params, Any, Key], tuple[jax.Array, jax.Array]]
    mode: Callable[[Params, Any], jax.Array]
    log_density: Callable[..., jax.Array] | None = None
    flow: Any = None


class Critic(NamedTuple):
    """An ensemble of action values.

    Attributes:
      init: `(key, observation [B, *O], action [B, *A]) -> params`.
      apply: `(params, observation, action [B, *A]) -> q [E, B]`.
      apply_to_set: `(params, observation, actions [B, N, *A]) -> q [E, B, N]`, N actions of each state.
    """

    init: Callable[[Key, Any, Any], Params]
    apply: Callable[[Params, Any, Any], jax.Array]
    apply_to_set: Callable[[Params, Any, Any], jax.Array]


class Value(NamedTuple):
    """A state value.

    Attributes:
      init: `(key, observation [B, *O]) -> params`.
      apply: `(params, observation) -> v [B]`.
    """

    init: Callable[[Key, Any], Params]
    apply: Callable[[Params, Any], jax.Array]


class Episodes(NamedTuple):
    """Whole episodes one after another, as they were recorded: raw rewards, nothing derived.

    Attributes:
      observation: `[T, *O]`.
      action: `[T, *A]`.
      reward: `[T]` raw.
      next_observation: `[T, *O]`; the last row of an episode holds that episode's final observation.
      terminated: `[T]` bool, true ends of the task. A time limit is never one.
      truncated: `[T]` bool, ends by a time limit.
      success: `[T]` bool, task success at the next observation.
      episode: `[T]` int, constant within an episode, increasing.
      info: further `[T, ...]` arrays by name.
    """

    observation: Any
    action: np.ndarray
    reward: np.ndarray
    next_observation: Any
    terminated: np.ndarray
    truncated: np.ndarray
    success: np.ndarray
    episode: np.ndarray
    info: dict[str, np.ndarray]
