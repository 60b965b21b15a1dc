"""Measurements by turns: a noisy machine then disturbs all that is compared alike."""

import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

Name = TypeVar("Name")  # of what is measured
Run = Callable[[], Any]  # one call; what it returns is waited for


class Timed(NamedTuple):
    """Something to be measured by turns.

    Attributes:
      run: one call.
      calls: of a measurement.
      first: seconds of the first call beyond those of the second: mostly compilation.
    """

    run: Run
    calls: int
    first: float


def seconds(run: Run, calls: int) -> float:
    """Wall time of so many calls, until the last result is there."""
    begin = time.perf_counter()
    result = None
    for _ in range(calls):
        result = run()
    jax.block_until_ready(result)
    return time.perf_counter() - begin


def timed(run: Run, duration: float) -> Timed:
    """Calls `run` twice or more, and finds how many calls take `duration` seconds, at least one."""
    first, second = seconds(run, 1), seconds(run, 1)
    if second < duration:  # one more: what is short is measured badly
        second = min(second, seconds(run, 1))
    return Timed(run, max(1, round(duration / max(second, 1e-9))), max(0.0, first - second))


def by_turns(timed: Mapping[Name, Timed], rounds: int) -> dict[Name, np.ndarray]:
    """Seconds per call, `[rounds]` for each name: all in turn, round after round."""
    found: dict[Name, list[float]] = {name: [] for name in timed}
    for _ in range(rounds):
        for name, one in timed.items():
            found[name].append(seconds(one.run, one.calls) / one.calls)
    return {name: np.array(values) for name, values in found.items()}


def large_product(size: int) -> Run:
    """One call multiplies two float32 matrices `[size, size]`, `2 size^3` operations."""
    left = jnp.ones((size, size))
    multiply = jax.jit(jnp.dot)
    return lambda: multiply(left, left)
