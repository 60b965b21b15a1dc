"""What every environment promises, see `check_environment`."""

import contextlib
from collections.abc import Callable

import jax
import numpy as np

from rankq_jax.environments import BatchEnv
from rankq_jax.envs.streams import streams
from rankq_jax.specs import describe_observation
from rankq_jax.tasks import Task
from rankq_jax.testing import restarting
from rankq_jax.testing.comparing import alike, check, drawn, equal, known, rolled, rows, same

Environment = Callable[[int, int], BatchEnv]  # (rows, threads) -> environments


def check_environment(environment: Task | Environment, *, steps: int = 0) -> None:
    """Checks that environments keep the contract that collecting, evaluating and resuming rely on.

    Of environments that cannot be saved (`BatchEnv.exact` is False) what they promise is checked: shapes,
    starts, independent rows, time limits, clipped actions, and starting again.

    Args:
      environment: a task, or `(rows, threads) -> BatchEnv`.
      steps: how far they are followed; 0: a little more than one time limit.

    Raises:
      AssertionError: names what is broken.
    """
    inner = environment.environment if isinstance(environment, Task) else environment
    with contextlib.ExitStack() as stack:

        def make(rows: int, threads: int) -> BatchEnv:
            env = inner(rows, threads)
            if env.close is not None:
                stack.callback(env.close)
            return env

        first = make(1, 1)
        steps = steps or int(1.2 * first.horizon) + 1
        check_shapes(make)
        check_independence(make, steps)
        if first.exact:
            check_restoring(make, steps)
            check_inactive_rows(make)
            check_time_limit(make)
        else:
            restarting.check_starting_again(make, steps)
            restarting.check_inactive_rows(make)
            restarting.check_time_limit(make)
        check_clipping(make)


def check_shapes(make: Environment) -> None:
    """States and steps have the declared shapes and types; other streams are refused.

    Raises:
      AssertionError: names what is broken.
    """
    env = make(3, 1)
    check(env.rows == 3, f"an environment of 3 rows says that it has {env.rows}")
    state = env.reset(streams(5, 3))
    state, step = env.step(state, np.zeros((3, *env.spec.action.shape)), np.ones(3, bool))
    for name, value in (("observation", state.observation), ("next_observation", step.next_observation)):
        for row in range(3):
            found, declared = (describe_observation(rows(x, row)) for x in (value, env.spec.empty(3)))
            check(found == declared, f"{name} is {found} and not {declared}")
    check(step.reward.shape == (3,), f"reward has the shape {step.reward.shape} and not (3,)")
    for name in ("terminated", "truncated", "success"):
        value = getattr(step, name)
        check(value.shape == (3,) and value.dtype == bool, f"{name} is no boolean array of 3 rows")
    try:
        env.reset(streams(5, 2))
    except ValueError:
        return
    raise AssertionError("reset takes streams of another number of rows; raise a ValueError")


def check_independence(make: Environment, steps: int) -> None:
    """Results depend neither on threads nor on the other rows."""
    one, two, order = make(4, 1), make(4, 2), np.array([3, 0, 2, 1])
    actions = drawn(one, steps, seed=1)
    final, seen = rolled(one, one.reset(streams(5, 4)), actions)
    other, _ = rolled(two, two.reset(streams(5, 4)), actions)
    same(known(two, other), known(one, final), "with two threads")
    shuffled, again = rolled(one, one.reset(streams(5, 4)[order]), actions[:, order])
    same(known(one, shuffled), known(one, rows(final, order)), "with rows in another order")
    same(again[-1], rows(seen[-1], order), "a step with rows in another order")
    alone = make(1, 1)
    single, _ = rolled(alone, alone.reset(streams(5, 4)[2:3]), actions[:, 2:3])
    same(known(alone, single), known(one, rows(final, slice(2, 3))), "a row alone")


def check_restoring(make: Environment, steps: int) -> None:
    """A state that is set back, in another process too, has the same future, and stepping leaves it alone."""
    env = make(3, 1)
    actions = drawn(env, 2 * steps, seed=2)
    middle, _ = rolled(env, env.reset(streams(1, 3)), actions[: steps // 2])
    kept = jax.tree.map(np.array, middle)
    straight, seen = rolled(env, middle, actions[steps // 2 :])
    same(middle, kept, "a state that was stepped from is written to")
    again, seen_again = rolled(make(3, 2), kept, actions[steps // 2 :])
    same(again, straight, "a state that was set back")
    for left, right in zip(seen, seen_again, strict=True):
        same(right, left, "a step from a state that was set back")


def check_inactive_rows(make: Environment) -> None:
    """Rows that are not active do not move, and do not disturb those that do."""
    env = make(3, 1)
    state, _ = rolled(env, env.reset(streams(0, 3)), drawn(env, 2, seed=0))
    active, action = np.array([True, False, True]), np.ones((3, *env.spec.action.shape))
    after, _ = make(3, 1).step(state, action, active)
    same(rows(after, 1), rows(state, 1), "a row that is not active")
    counted = state.step + active
    check(np.array_equal(after.step, counted), f"steps are {after.step} where {counted} were made")
    together, _ = env.step(state, action, np.ones(3, bool))
    late, _ = env.step(after, action, ~active)
    same(late, together, "a row that is stepped later than the others")


def check_time_limit(make: Environment) -> None:
    """A time limit truncates and resets one row; a step returns what it led to, not what comes next."""
    env = make(2, 1)
    state = env.reset(streams(0, 2))
    last = state._replace(step=np.array([env.horizon - 1, 0], np.int32))
    after, step = env.step(last, np.zeros((2, *env.spec.action.shape)), np.ones(2, bool))
    ended = step.truncated | step.terminated
    check(ended.tolist() == [True, False], f"at the time limit of one row the ends are {ended.tolist()}")
    check(not (step.truncated & step.terminated).any(), "a step is truncated and terminated at once")
    check(
        after.step.tolist() == [0, 1], f"after the time limit of one row the steps are {after.step.tolist()}"
    )
    episodes = (after.episode - state.episode).tolist()
    check(episodes == [1, 0], f"the time limit of one row adds {episodes} to the episodes")
    running = all(
        map(equal, *map(jax.tree.leaves, (rows(after.observation, 1), rows(step.next_observation, 1))))
    )
    check(running, "the observation of a running row is not what the step led to")
    other, _ = env.step(last, -np.ones((2, *env.spec.action.shape)), np.ones(2, bool))
    same = alike(rows(other.observation, 0), rows(after.observation, 0))
    check(same, "how an episode starts depends on how the one before it went")


def check_clipping(make: Environment) -> None:
    """Actions beyond [-1, 1] are clipped."""
    found = []
    for number in (-1.0, -3.0):
        env = make(1, 1)
        action = np.full((1, *env.spec.action.shape), number)
        after, _ = env.step(env.reset(streams(0, 1)), action, np.ones(1, bool))
        found.append(known(env, after))
    same(found[1], found[0], "an action of -3 in place of -1")
