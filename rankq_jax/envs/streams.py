"""Random streams of environments: a reset draws by its row and its number, and by nothing else."""

import numpy as np


def streams(seed: int, rows: int) -> np.ndarray:
    """`[rows, 2]` uint64: the random streams of one seed's environment rows."""
    return np.stack([np.full(rows, seed, np.uint64), np.arange(rows, dtype=np.uint64)], axis=1)


def stream_seed(*path: int) -> int:
    """A seed for `streams` from a path of whole numbers; paths that differ do not share streams.

    Datasets use their seed as it is and paths of four, training environments `(seed,)`, evaluations
    `(seed, phase, round)` and the evaluation command `(seed, its own seed)`.
    """
    # The length belongs to it: a seed sequence does not tell (7,) from (7, 0).
    return int(np.random.SeedSequence((len(path), *path)).generate_state(1, np.uint64)[0])


def draws(stream: np.ndarray, episode: int) -> np.random.Generator:
    """What a reset draws, from the stream `[2]` of its row and how many resets that has served."""
    # Counter-based: the draws of an episode depend on nothing that happened before it.
    return np.random.Generator(np.random.Philox(key=stream, counter=[0, 0, 0, episode]))
