"""Evaluation: every episode's numbers, nothing averaged."""

from collections.abc import Callable, Generator, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from rankq_jax.environments import BatchEnv
from rankq_jax.envs.rollout import Act, collecting, driven, recorder
from rankq_jax.envs.streams import streams
from rankq_jax.specs import seen
from rankq_jax.types import Episodes, Key, Params

# `{name: number}` of one episode, e.g. `tasks.Task.measure`.
Measured = Callable[[Episodes], Mapping[str, Any]]


class Evaluation(NamedTuple):
    """One greedy episode for each row of each seed.

    Attributes:
      metrics: `{name: [S, n]}`, what each episode is measured by.
      start: first observation, `[S, n, *O]`.
      goal: `[S, n, G]`; G is 0 where a task has none.
      episodes: the episodes themselves, row by row, seed after seed.
    """

    metrics: dict[str, np.ndarray]
    start: Any
    goal: np.ndarray
    episodes: list[Episodes]

    @property
    def per_seed(self) -> int:
        """Episodes of each seed."""
        return self.goal.shape[1]


def for_all_rows(step: Callable[..., jax.Array], params: Params, keys: Key, seeds: int) -> Act:
    """What `rollout.collect` calls, from a `lifting.jit_act` function with its parameters bound.

    The rows of one seed lie together. Numbers of observations reach the agent as float32.
    """

    def act(observation: np.ndarray, t: int) -> np.ndarray:
        grouped = jax.tree.map(lambda x: x.reshape(seeds, -1, *x.shape[1:]), seen(observation))
        action = np.asarray(step(params, grouped, keys, np.int32(t)))
        return action.reshape(-1, *action.shape[2:])

    return act


def evaluate(
    env: BatchEnv,
    act: Act,
    starts: list[int],
    measure: Measured,
) -> Evaluation:
    """One episode per row.

    Args:
      env: `S * n` rows, those of one seed together.
      act: the greedy policies of all seeds, from `for_all_rows`.
      starts: for each seed, the seed of its start states.
      measure: what is reported of an episode; the names do not depend on it.
    """
    return driven(evaluating(env, act, starts, measure), lambda steps: None)


def evaluating(
    env: BatchEnv, act: Act, starts: list[int], measure: Measured
) -> Generator[int, None, Evaluation]:
    """As `evaluate`; yields the number of steps taken, over all rows, after each of them.

    Closing it in the middle gives the evaluation up; nothing else depends on it.
    """
    seeds, rows = len(starts), env.rows // len(starts)
    state = env.reset(np.concatenate([streams(start, rows) for start in starts]))
    collected = yield from collecting(env, state, recorder(env), act, env.horizon, once=True)
    episodes = [episode for _, episode in sorted(collected.episodes, key=lambda pair: pair[0])]

    measured = [measure(episode) for episode in episodes]

    def stacked(*values: np.ndarray) -> np.ndarray:
        return np.stack(values).reshape(seeds, rows, *values[0].shape)

    starts_of = [jax.tree.map(lambda leaf: leaf[0], episode.observation) for episode in episodes]
    return Evaluation(
        metrics={name: np.reshape([one[name] for one in measured], (seeds, rows)) for name in measured[0]},
        start=jax.tree.map(stacked, *starts_of),
        goal=np.zeros((seeds, rows, 0)) if state.goal is None else state.goal.reshape(seeds, rows, -1),
        episodes=episodes,
    )
