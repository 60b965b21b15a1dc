"""Evaluation: every episode's numbers, nothing averaged."""

from collections.abc import Callable, Generator
from typing import Any, NamedTuple

import jax
import numpy as np

from rankq_jax.envs.batch import streams
from rankq_jax.envs.rollout import Act, collecting, driven, recorder
from rankq_jax.types import BatchEnv, Episodes, Key, Params, seen


class Evaluation(NamedTuple):
    """One greedy episode for each row of each seed. Array leaves lead with `[S, n]`.

    Attributes:
      returns: sum of raw rewards.
      length: environment steps.
      success: whether the task was solved at any step.
      start: first observation, `[S, n, *O]`.
      goal: `[S, n, G]`; G is 0 where a task has none.
      episodes: the episodes themselves, row by row, seed after seed.
    """

    returns: np.ndarray
    length: np.ndarray
    success: np.ndarray
    start: Any
    goal: np.ndarray
    episodes: list[Episodes]

    @property
    def metrics(self) -> dict[str, np.ndarray]:
        """`{name: [S, n]}` of what episodes are measured by, by the names of `tasks.Measure`."""
        return {"success": self.success, "return": self.returns, "length": self.length}


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
    env: BatchEnv, act: Act, starts: list[int], progress: Callable[[int], Any] = lambda steps: None
) -> Evaluation:
    """One episode per row.

    Args:
      env: `S * n` rows, those of one seed together.
      act: the greedy policies of all seeds, from `for_all_rows`.
      starts: for each seed, the seed of its start states.
      progress: told the number of steps taken, over all rows, after each of them.
    """
    return driven(evaluating(env, act, starts), progress)


def evaluating(env: BatchEnv, act: Act, starts: list[int]) -> Generator[int, None, Evaluation]:
    """As `evaluate`; yields the number of steps taken, over all rows, after each of them.

    Closing it in the middle gives the evaluation up; nothing else depends on it.
    """
    seeds, rows = len(starts), env.rows // len(starts)
    state = env.reset(np.concatenate([streams(start, rows) for start in starts]))
    collected = yield from collecting(env, state, recorder(env), act, env.horizon, once=True)
    episodes = [episode for _, episode in sorted(collected.episodes, key=lambda pair: pair[0])]

    def table(value: Callable[[Episodes], Any]) -> np.ndarray:
        return stacked([np.asarray(value(episode)) for episode in episodes])

    def stacked(values: list[np.ndarray]) -> np.ndarray:
        return np.stack(values).reshape(seeds, rows, *values[0].shape)

    return Evaluation(
        returns=table(lambda e: e.reward.sum()),
        length=table(lambda e: len(e.reward)),
        success=table(lambda e: e.success.any()),
        start=jax.tree.map(lambda *x: stacked([leaf[0] for leaf in x]), *[e.observation for e in episodes]),
        goal=np.zeros((seeds, rows, 0)) if state.goal is None else state.goal.reshape(seeds, rows, -1),
        episodes=episodes,
    )
