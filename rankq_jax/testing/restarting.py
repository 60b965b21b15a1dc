"""What environments promise that cannot be saved: `BatchEnv.exact` is False."""

from collections.abc import Callable

import jax
import numpy as np

from rankq_jax.environments import BatchEnv, EnvState
from rankq_jax.envs.streams import streams
from rankq_jax.testing.comparing import alike, check, drawn, known, rolled, rows, same

Environment = Callable[[int, int], BatchEnv]  # (rows, threads) -> environments


def check_starting_again(make: Environment, steps: int) -> None:
    """`restart` begins the next episode of each row, in another process too; older states are refused.

    Raises:
      AssertionError: names what is broken.
    """
    env, other = make(3, 1), make(3, 1)
    check(env.restart is not None, "exact is False, and there is no restart; give one")
    assert env.restart is not None and other.restart is not None
    start = env.reset(streams(1, 3))
    actions = drawn(env, steps, seed=2)
    middle, _ = rolled(env, start, actions)
    kept = jax.tree.map(np.array, middle)
    following, _ = env.step(middle, actions[0], np.ones(3, bool))
    same(middle, kept, "a state that was stepped from is written to")
    try:
        env.step(start, actions[0], np.ones(3, bool))
    except ValueError:
        pass
    else:
        raise AssertionError("a state that is not the newest can be stepped; raise a ValueError")
    again, elsewhere = env.restart(kept), other.restart(kept)
    same(known(env, again), known(other, elsewhere), "a state that begins again elsewhere")
    check(not again.step.any(), f"after `restart` steps are {again.step} and not 0")
    counted = (again.episode - kept.episode).tolist()
    check(counted == [1, 1, 1], f"`restart` adds {counted} to the episodes")
    _starts_alike(env, elsewhere, make(3, 1), following)


def _starts_alike(env: BatchEnv, again: EnvState, fresh: BatchEnv, state: EnvState) -> None:
    """How an episode starts depends on nothing but its stream and its number."""
    begun = fresh.reset(state.stream)
    assert fresh.restart is not None
    while (begun.episode < again.episode).all():
        begun = fresh.restart(begun)
    rows_alike = again.episode == begun.episode
    check(
        alike(rows(again.observation, rows_alike), rows(begun.observation, rows_alike)),
        "how an episode starts depends on what was before it",
    )


def check_inactive_rows(make: Environment) -> None:
    """Rows that are not active count no steps, and do not disturb those that do."""
    env, other = make(3, 1), make(3, 1)
    actions = drawn(env, 2, seed=0)
    (state, _), (alike_state, _) = (rolled(one, one.reset(streams(0, 3)), actions) for one in (env, other))
    active, action = np.array([True, False, True]), np.ones((3, *env.spec.action.shape))
    after, step = env.step(state, action, active)
    together, whole = other.step(alike_state, action, np.ones(3, bool))
    same(rows(step, active), rows(whole, active), "a step beside a row that is not active")
    same(known(env, rows(after, active)), known(other, rows(together, active)), "beside a row at rest")
    counted = (rows(state.step, 1), rows(state.episode, 1))
    found = (rows(after.step, 1), rows(after.episode, 1))
    check(found == counted, f"a row that is not active counts {found} steps and episodes, not {counted}")


def check_time_limit(make: Environment) -> None:
    """Every episode ends in time, once, and the next one starts independently of it."""
    horizon, starts = make(1, 1).horizon, []
    for number in (0.0, -1.0):
        env = make(2, 1)
        state = env.reset(streams(0, 2))
        first = state.episode
        action, begun = np.full((2, *env.spec.action.shape), number), {}
        for _ in range(horizon):
            before = state.step
            state, step = env.step(state, action, np.ones(2, bool))
            ended = step.truncated | step.terminated
            check(not (step.truncated & step.terminated).any(), "a step is truncated and terminated at once")
            counted = np.where(ended, 0, before + 1)
            check(np.array_equal(state.step, counted), f"steps are {state.step} and not {counted}")
            running = [alike(rows(state.observation, i), rows(step.next_observation, i)) for i in range(2)]
            check((ended | running).all(), "the observation of a running row is not what the step led to")
            for i in np.flatnonzero(ended & (state.episode == first + 1)):
                begun[int(i)] = rows(state.observation, i)
        check(len(begun) == 2, f"after {horizon} steps, the time limit, not every episode has ended")
        starts.append([begun[i] for i in range(2)])
    check(alike(*starts), "how an episode starts depends on how the one before it went")
