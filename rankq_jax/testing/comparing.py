"""What checks of environments share: comparisons bit for bit, and steps along drawn actions."""

from typing import Any

import jax
import numpy as np

from rankq_jax.environments import BatchEnv, EnvState, Step


def check(condition: Any, message: str) -> None:
    """Refuses what breaks the contract.

    Raises:
      AssertionError: with the message, unless the condition holds.
    """
    if not condition:
        raise AssertionError(message)


def same(left: tuple[Any, ...], right: tuple[Any, ...], message: str) -> None:
    """Compares NamedTuples of arrays bit for bit."""
    for name, one, other in zip(type(left)._fields, left, right, strict=True):  # type: ignore[attr-defined]
        check(alike(one, other), f"{message}: {name} differs")


def alike(one: Any, other: Any) -> bool:
    """Whether two pytrees hold the same bits."""
    leaves, others = jax.tree.leaves(one), jax.tree.leaves(other)
    return len(leaves) == len(others) and all(map(equal, leaves, others))


def equal(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two arrays hold the same numbers; NaN equals itself."""
    numbers = np.issubdtype(np.asarray(one).dtype, np.floating)
    return np.array_equal(one, other, equal_nan=bool(numbers))


def rows(state: Any, rows: Any) -> Any:
    """Some rows of a state or a step."""
    return jax.tree.map(lambda leaf: leaf[rows], state)


def known(env: BatchEnv, state: EnvState) -> EnvState:
    """What two equal states have in common: without the simulator where it does not say everything."""
    return state if env.exact else state._replace(simulator=None)


def drawn(env: BatchEnv, steps: int, seed: int) -> np.ndarray:
    """`[steps, n, *A]` uniform actions."""
    return np.random.default_rng(seed).uniform(-1.0, 1.0, (steps, env.rows, *env.spec.action.shape))


def rolled(env: BatchEnv, state: EnvState, actions: np.ndarray) -> tuple[EnvState, list[Step]]:
    """The last state and all steps along actions `[t, n, *A]`."""
    found = []
    for action in actions:
        state, step = env.step(state, action, np.ones(env.rows, bool))
        found.append(step)
    return state, found
