"""Random keys: a function of the seed and of the place in the run, so that resuming needs no generator."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp

from rankq_jax.loop.state import Progress
from rankq_jax.types import Key


class IterationKeys(NamedTuple):
    """The keys of one iteration, `[S]` each. The order of the fields is part of the random numbers."""

    collect: Key
    update: Key
    evaluate: Key
    relabel: Key
    diagnose: Key


class InitialKeys(NamedTuple):
    """The keys of the state before the first iteration, `[S]` each; as `IterationKeys`."""

    agent: Key
    relabeler: Key


@jax.jit
def _fold(seeds: jax.Array, path: jax.Array) -> Key:
    """`[S]` uint32 seeds and a `[P]` uint32 path `->` `[S]` keys."""

    def one(seed: jax.Array) -> jax.Array:
        key = jax.random.key(seed)
        for step in path:
            key = jax.random.fold_in(key, step)
        return key

    return jax.vmap(one)(seeds)


def _keys(seeds: Sequence[int], path: Sequence[int]) -> Key:
    return _fold(jnp.asarray(seeds, jnp.uint32), jnp.asarray(path, jnp.uint32))


def initial_keys(seeds: Sequence[int]) -> InitialKeys:
    """The keys that a run starts from."""
    return InitialKeys(*(_keys(seeds, (0, stream)) for stream in range(2)))


def phase_keys(seeds: Sequence[int], phase: int, attempt: int) -> Key:
    """The keys of what a later agent adds to the state: of an iteration 0, which no phase has."""
    return _keys(seeds, (phase + 1, 0, *(() if attempt == 0 else (attempt,))))


def iteration_keys(seeds: Sequence[int], progress: Progress) -> IterationKeys:
    """The keys of the iteration that `progress` lies in.

    A further attempt at the same iteration has other keys, lest it ends the same way.
    """
    place, attempt = (progress.phase + 1, progress.iteration + 1), progress.attempt
    again = () if attempt == 0 else (attempt,)
    return IterationKeys(*(_keys(seeds, (*place, stream, *again)) for stream in range(5)))
