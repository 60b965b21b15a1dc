"""The evaluated episodes of a run: curves of what they are measured by, and their paths."""

import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rankq_jax.analysis import kinds
from rankq_jax.errors import InputError

# Where in the run an episode was evaluated.
COLLECT = "collect"  # the phase without updates
PLACE = {"phase": kinds.text, "updates": kinds.whole, "env_steps": kinds.whole, "seed": kinds.whole}


class Curve(NamedTuple):
    """A quantity over a run. Left of 0 are offline updates, right of it environment steps since then.

    Attributes:
      position: `[P]`.
      value: `[P, S]`, one column per seed; NaN where one was not evaluated.
      untrained: whether the first point comes before all updates, at the end of a phase that only collects.
    """

    position: np.ndarray
    value: np.ndarray
    untrained: bool = False


def curves(
    records: Sequence[Mapping[str, Any]], names: Sequence[str], path: Path, unfinished: int | None = None
) -> dict[str, Curve]:
    """Means over the episodes of each evaluation, by what episodes are measured by, e.g. `success`.

    Args:
      records: of the episodes.
      names: those wanted; one that no record has has no points, and one that the first records lack, because
        it is newer than they, has them where it begins.
      path: the file of the records.
      unfinished: of a run that has not finished, the updates of its offline phase. An evaluation that was
        broken off is left out of such a run.

    Raises:
      InputError: if a record has no place in the run or no such number; names the file and the line.
    """
    empty = {name: Curve(np.empty(0, int), np.empty((0, 0))) for name in names}
    known: dict[str, kinds.Kind] = {}
    for i, record in enumerate(records):
        known |= {name: kinds.measured for name in names if name in record}
        kinds.check(path, record, PLACE | known, line=i + 1)
    if not records:
        return empty
    updates, env_steps, seed = (np.array([r[name] for r in records]) for name in tuple(PLACE)[1:])
    collecting = np.array([r["phase"] == COLLECT for r in records])
    env_steps = env_steps - max(env_steps[collecting], default=0)  # those before the updates have no place
    offline = max(updates[env_steps == 0], default=0)
    if unfinished is not None and not env_steps.any():
        offline = max(offline, unfinished)  # where that phase will end
    position, row = np.unique(np.where(env_steps, env_steps, updates - offline), return_inverse=True)
    seeds, column = np.unique(seed, return_inverse=True)
    cell, shape = row * len(seeds) + column, (len(position), len(seeds))
    count = np.bincount(cell, minlength=len(position) * len(seeds)).reshape(shape)
    whole = count > 0 if unfinished is None else count == count.max()
    count, there = np.where(whole, count, np.nan), whole.any(axis=1)
    untrained = bool(collecting[row == 0].any() and np.atleast_1d(there)[0])
    found = {}
    for name in known:
        values = [float(r.get(name, np.nan)) for r in records]
        total = np.bincount(cell, values, minlength=count.size).reshape(shape)
        found[name] = Curve(position[there], (total / count)[there], untrained)
    return empty | found


def at_end(curve: Curve, seeds: Sequence[int], end: str) -> list[float | None]:
    """A number for each seed from an evaluation: one of the `results.ENDS`.

    The end `initial` is the evaluation before all updates, `offline` the last one of that phase, any other
    the last one of the run. None stands for a seed that was not evaluated there. The curve has the seeds in
    the order of their size.
    """
    first, before = int(curve.untrained), curve.position <= 0
    chosen = {"initial": slice(0, first), "offline": slice(first, np.count_nonzero(before))}
    reached = curve.value[chosen.get(end, slice(None))][-1:]
    if reached.shape != (1, len(seeds)):
        return [None] * len(seeds)
    return [float(x) if np.isfinite(x) else None for x in reached[0, np.argsort(np.argsort(seeds))]]


def paths(folder: Path) -> dict[str, tuple[list[np.ndarray], np.ndarray]]:
    """`{phase: (positions [t, 2] of each episode, success [episodes])}` of the first seed of a run.

    Raises:
      InputError: if a file cannot be read; names it.
    """
    phases = {}
    for path in sorted(folder.glob("trajectories-*.npz")):
        if path.name.endswith(".tmp.npz"):
            continue  # of a run that was killed while it wrote it
        try:
            with np.load(path) as saved:
                first = saved["seed"] == saved["seed"][0]
                every = np.split(saved["observation"][:, :2], np.cumsum(saved["length"])[:-1])
                kept = [p for p, mine in zip(every, first, strict=True) if mine]
                phases[path.stem.removeprefix("trajectories-")] = (kept, saved["success"][first])
        except (OSError, ValueError, LookupError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise InputError(f"{path}: cannot be read ({error}); delete the file.") from error
    return phases
