"""What every environment promises, see `check_environment`."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from rankq_jax.envs.batch import streams
from rankq_jax.tasks import Task
from rankq_jax.types import BatchEnv, EnvState, Step, describe_observation

Environment = Callable[[int, int], BatchEnv]  # (rows, threads) -> environments


def check_environment(environment: Task | Environment, *, steps: int = 0) -> None:
    """Checks that environments keep the contract that collecting, evaluating and resuming rely on.

    Args:
      environment: a task, or `(rows, threads) -> BatchEnv`.
      steps: how far they are followed; 0: a little more than one time limit.

    Raises:
      AssertionError: names what is broken.
    """
    make = environment.environment if isinstance(environment, Task) else environment
    steps = steps or int(1.2 * make(1, 1).horizon) + 1
    check_shapes(make)
    check_independence(make, steps)
    check_restoring(make, steps)
    check_inactive_rows(make)
    check_time_limit(make)
    check_clipping(make)


def _check(condition: Any, message: str) -> None:
    if not condition:
        raise AssertionError(message)


def _same(left: tuple[Any, ...], right: tuple[Any, ...], message: str) -> None:
    """Compares NamedTuples of arrays bit for bit."""
    for name, one, other in zip(type(left)._fields, left, right, strict=True):  # type: ignore[attr-defined]
        _check(_alike(one, other), f"{message}: {name} differs")


def _alike(one: Any, other: Any) -> bool:
    """Whether two pytrees hold the same bits."""
    leaves, others = jax.tree.leaves(one), jax.tree.leaves(other)
    return len(leaves) == len(others) and all(map(_equal, leaves, others))


def _equal(one: np.ndarray, other: np.ndarray) -> bool:
    numbers = np.issubdtype(np.asarray(one).dtype, np.floating)
    return np.array_equal(one, other, equal_nan=bool(numbers))


def _rows(state: Any, rows: Any) -> Any:
    """Some rows of a state or a step."""
    return jax.tree.map(lambda leaf: leaf[rows], state)


def _drawn(env: BatchEnv, steps: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1.0, 1.0, (steps, env.rows, *env.spec.action.shape))


def _rolled(env: BatchEnv, state: EnvState, actions: np.ndarray) -> tuple[EnvState, list[Step]]:
    found = []
    for action in actions:
        state, step = env.step(state, action, np.ones(env.rows, bool))
        found.append(step)
    return state, found


def check_shapes(make: Environment) -> None:
    """States and steps have the declared shapes and types; other streams are refused.

    Raises:
      AssertionError: names what is broken.
    """
    env = make(3, 1)
    _check(env.rows == 3, f"an environment of 3 rows says that it has {env.rows}")
    state = env.reset(streams(5, 3))
    state, step = env.step(state, np.zeros((3, *env.spec.action.shape)), np.ones(3, bool))
    for name, value in (("observation", state.observation), ("next_observation", step.next_observation)):
        for row in range(3):
            found, declared = (describe_observation(_rows(x, row)) for x in (value, env.spec.empty(3)))
            _check(found == declared, f"{name} is {found} and not {declared}")
    _check(step.reward.shape == (3,), f"reward has the shape {step.reward.shape} and not (3,)")
    for name in ("terminated", "truncated", "success"):
        value = getattr(step, name)
        _check(value.shape == (3,) and value.dtype == bool, f"{name} is no boolean array of 3 rows")
    try:
        env.reset(streams(5, 2))
    except ValueError:
        return
    raise AssertionError("reset takes streams of another number of rows; raise a ValueError")


def check_independence(make: Environment, steps: int) -> None:
    """Results depend neither on threads nor on the other rows."""
    one, two, order = make(4, 1), make(4, 2), np.array([3, 0, 2, 1])
    actions = _drawn(one, steps, seed=1)
    final, seen = _rolled(one, one.reset(streams(5, 4)), actions)
    other, _ = _rolled(two, two.reset(streams(5, 4)), actions)
    _same(other, final, "with two threads")
    shuffled, again = _rolled(one, one.reset(streams(5, 4)[order]), actions[:, order])
    _same(shuffled, _rows(final, order), "with rows in another order")
    _same(again[-1], _rows(seen[-1], order), "a step with rows in another order")
    alone = make(1, 1)
    single, _ = _rolled(alone, alone.reset(streams(5, 4)[2:3]), actions[:, 2:3])
    _same(single, _rows(final, slice(2, 3)), "a row alone")


def check_restoring(make: Environment, steps: int) -> None:
    """A state that is set back, in another process too, has the same future, and stepping leaves it alone."""
    env = make(3, 1)
    actions = _drawn(env, 2 * steps, seed=2)
    middle, _ = _rolled(env, env.reset(streams(1, 3)), actions[: steps // 2])
    kept = jax.tree.map(np.array, middle)
    straight, seen = _rolled(env, middle, actions[steps // 2 :])
    _same(middle, kept, "a state that was stepped from is written to")
    again, seen_again = _rolled(make(3, 2), kept, actions[steps // 2 :])
    _same(again, straight, "a state that was set back")
    for left, right in zip(seen, seen_again, strict=True):
        _same(right, left, "a step from a state that was set back")


def check_inactive_rows(make: Environment) -> None:
    """Rows that are not active do not move, and do not disturb those that do."""
    env = make(3, 1)
    state, _ = _rolled(env, env.reset(streams(0, 3)), _drawn(env, 2, seed=0))
    active, action = np.array([True, False, True]), np.ones((3, *env.spec.action.shape))
    after, _ = make(3, 1).step(state, action, active)
    _same(_rows(after, 1), _rows(state, 1), "a row that is not active")
    counted = state.step + active
    _check(np.array_equal(after.step, counted), f"steps are {after.step} where {counted} were made")
    together, _ = env.step(state, action, np.ones(3, bool))
    late, _ = env.step(after, action, ~active)
    _same(late, together, "a row that is stepped later than the others")


def check_time_limit(make: Environment) -> None:
    """A time limit truncates and resets one row; a step returns what it led to, not what comes next."""
    env = make(2, 1)
    state = env.reset(streams(0, 2))
    last = state._replace(step=np.array([env.horizon - 1, 0], np.int32))
    after, step = env.step(last, np.zeros((2, *env.spec.action.shape)), np.ones(2, bool))
    ended = step.truncated | step.terminated
    _check(ended.tolist() == [True, False], f"at the time limit of one row the ends are {ended.tolist()}")
    _check(not (step.truncated & step.terminated).any(), "a step is truncated and terminated at once")
    _check(
        after.step.tolist() == [0, 1], f"after the time limit of one row the steps are {after.step.tolist()}"
    )
    episodes = (after.episode - state.episode).tolist()
    _check(episodes == [1, 0], f"the time limit of one row adds {episodes} to the episodes")
    running = all(
        map(_equal, *map(jax.tree.leaves, (_rows(after.observation, 1), _rows(step.next_observation, 1))))
    )
    _check(running, "the observation of a running row is not what the step led to")
    other, _ = env.step(last, -np.ones((2, *env.spec.action.shape)), np.ones(2, bool))
    same = _alike(_rows(other.observation, 0), _rows(after.observation, 0))
    _check(same, "how an episode starts depends on how the one before it went")


def check_clipping(make: Environment) -> None:
    """Actions beyond [-1, 1] are clipped."""
    env = make(1, 1)
    state, one = env.reset(streams(0, 1)), np.ones(1, bool)
    inside, _ = env.step(state, np.full((1, *env.spec.action.shape), -1.0), one)
    outside, _ = env.step(state, np.full((1, *env.spec.action.shape), -3.0), one)
    _same(outside, inside, "an action of -3 in place of -1")
