"""The evaluated episodes of a run as curves and as means over each seed."""

from typing import NamedTuple

import numpy as np

from rankq_jax.analysis import kinds
from rankq_jax.analysis.results import Run
from rankq_jax.errors import InputError
from rankq_jax.tasks.task import Measure

PLACE = ("phase", "updates", "env_steps", "seed")  # of an evaluated episode in the run


class Curve(NamedTuple):
    """A quantity over a run. Left of 0 are offline updates, right of it environment steps.

    Attributes:
      position: `[P]`.
      value: `[P, S]`, one column per seed.
    """

    position: np.ndarray
    value: np.ndarray


class _Episode(NamedTuple):
    """Of an evaluation: where in the run, of which seed, and one of its numbers."""

    phase: str
    updates: int
    env_steps: int
    seed: int
    value: float


def _episodes(run: Run, field: str) -> list[_Episode]:
    episodes = []
    for i, record in enumerate(run.evaluations):
        try:
            phase, updates, env_steps, seed, value = (record[name] for name in (*PLACE, field))
            kinds.check_episode(phase, (updates, env_steps, seed), value)
            episodes.append(_Episode(phase, updates, env_steps, seed, float(value)))
        except (KeyError, ValueError) as error:
            path = run.folder / "evaluations.jsonl"
            raise InputError(
                f"{path}: line {i + 1}: {field!r} or its place in the run cannot be read ({error!r}); "
                "delete that line."
            ) from error
    return episodes


def curve(run: Run, field: str) -> Curve:
    """Mean over the episodes of each evaluation of `field`, e.g. `success` or `length`.

    Of an unfinished run an evaluation that was broken off is left out.

    Raises:
      InputError: if a record has no such number; names the file and the line.
    """
    records = _episodes(run, field)
    offline = max((r.updates for r in records if not r.env_steps), default=0)
    if run.summary is None and not any(r.env_steps for r in records) and records:
        offline = max(offline, int(run.setting("offline.updates")))  # where that phase will end
    episodes: dict[tuple[int, int], list[float]] = {}
    for r in records:
        position = r.env_steps if r.env_steps else r.updates - offline
        episodes.setdefault((position, r.seed), []).append(r.value)
    if run.summary is None:
        whole = max(map(len, episodes.values()), default=0)
        episodes = {place: values for place, values in episodes.items() if len(values) == whole}
    positions = sorted({position for position, _ in episodes})
    seeds = sorted({seed for _, seed in episodes})
    value = [[np.mean(episodes.get((p, s), [np.nan])) for s in seeds] for p in positions]
    return Curve(np.asarray(positions), np.asarray(value).reshape(len(positions), len(seeds)))


def last(run: Run, field: str, phase: str | None = None) -> np.ndarray | None:
    """`[S]`, mean of `field` over the last evaluation of each seed of a finished run.

    Args:
      run: the run.
      field: e.g. `return`.
      phase: the last evaluation of that phase; by default of the run.

    Returns:
      In the order of the summary's seeds; None if a seed was not evaluated or the run has not finished.

    Raises:
      InputError: if a record has no such number; names the file and the line.
    """
    ends: dict[int, tuple[tuple[int, int], list[float]]] = {}
    for r in _episodes(run, field):
        if phase in (None, r.phase):
            place = (r.updates, r.env_steps)
            at, values = ends.get(r.seed, (place, []))
            if place >= at:
                ends[r.seed] = (place, [*(values if place == at else []), r.value])
    seeds = run.summary["seeds"] if run.summary else []
    if not seeds or not all(seed in ends for seed in seeds):
        return None
    return np.array([np.mean(ends[seed][1]) for seed in seeds])


def end(run: Run, measure: Measure, which: str) -> np.ndarray | None:
    """`[S]`, the mean of a measure over the last evaluation of each seed of a finished run.

    Args:
      run: the run.
      measure: one of its task's.
      which: of `ENDS`: after the last offline update, or after the last one of the run.

    Returns:
      In the order of the summary's seeds; None if a seed was not evaluated there or the run has not finished.

    Raises:
      InputError: if the summary is of before returns were in it, and a record has no such number.
    """
    if run.summary is None:
        return None
    values = run.summary.get(f"{which}_{measure.mean}")
    if values is None:
        return last(run, measure.field, "offline" if which == "offline" else None)
    return None if not values or None in values else np.asarray(values, np.float64)
