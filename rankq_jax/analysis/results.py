"""What a run left in its folder, as values."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rankq_jax import tasks
from rankq_jax.analysis import kinds
from rankq_jax.errors import InputError
from rankq_jax.tasks.task import Measure
from rankq_jax.writers import read_lines

# Fields of the summary that pages and tables read.
SUMMARY = ("seeds", "dataset", "updates", "env_steps", "wall_seconds")
# Those with a value for each seed; the first two where a task has success.
PER_SEED = ("offline_success_rate", "final_success_rate", "final_episode_length")
ENDS = ("offline", "final")  # of a run that are reported
PLACE = ("phase", "updates", "env_steps", "seed")  # of an evaluated episode in the run
# Of the configuration: no number of the results depends on them.
FREE = (
    "threads", "keep_checkpoints", "keep_best_checkpoints", "checkpoint_minutes", "restarts",
    "offline.checkpoint_every", "online.checkpoint_every",
)  # fmt: skip


class Run(NamedTuple):
    """A finished or unfinished run.

    Attributes:
      folder: its `--workdir`.
      config: resolved configuration.
      versions: of the packages it ran with.
      commit: of the source tree.
      evaluations: one record per evaluation episode.
      summary: None if it has not finished.
      source: digest of the code that it ran with; empty if it was not recorded.
      dataset: digest of the transitions that it learned from; empty if it was not recorded.
      changes: how often it was continued although something of this had changed.
    """

    folder: Path
    config: dict[str, Any]
    versions: dict[str, str]
    commit: str
    evaluations: list[dict[str, Any]]
    summary: dict[str, Any] | None
    source: str = ""
    dataset: str = ""
    changes: int = 0

    @property
    def name(self) -> str:
        """The configuration's own name; without one the algorithm, and that of another online phase.

        Raises:
          InputError: if the recorded configuration does not say.
        """
        first, then = self.setting("algorithm"), self.setting("online.algorithm")
        return self.optional("name", "") or (first if then in ("", first) else f"{first} then {then}")

    def setting(self, field: str) -> Any:
        """The value of a configuration field, e.g. `online.env_steps`.

        Raises:
          InputError: if the recorded configuration has no such field, or a value of another type there.
        """
        value: Any = self.config
        for key in field.split("."):
            if not isinstance(value, dict) or key not in value:
                raise InputError(f"{self.folder / 'config.json'}: field {field!r} is missing; run it again.")
            value = value[key]
        if not kinds.fits(field, value):
            raise InputError(
                f"{self.folder / 'config.json'}: field {field!r} is {value!r:.80}; restore the file."
            )
        return value

    def optional(self, field: str, default: Any) -> Any:
        """The value of a configuration field, or the default where there is none.

        Raises:
          InputError: if it has another type.
        """
        section, _, key = field.rpartition(".")
        values = self.config.get(section, {}) if section else self.config
        return default if isinstance(values, dict) and key not in values else self.setting(field)


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object.

    Raises:
      InputError: if the file cannot be read or holds something else; names it.
    """
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise InputError(f"{path}: cannot be read ({error}); restore the file.") from error


def about(folder: Path) -> dict[str, Any]:
    """What a run was started with: `config`, `versions`, `git_commit`.

    Raises:
      InputError: if the folder holds no readable `config.json`.
    """
    path = folder / "config.json"
    if not path.exists():
        raise InputError(f"{folder}: holds no config.json; give the --workdir of a run.")
    recorded = read_json(path)
    for field in ("config", "versions", "git_commit"):
        if field not in recorded:
            raise InputError(f"{path}: cannot be read (field {field!r} is missing); restore the file.")
        if field != "git_commit" and not isinstance(recorded[field], dict):
            raise InputError(f"{path}: field {field!r} is no mapping; restore the file.")
    for field, value in {"git_commit": recorded["git_commit"], **recorded["versions"]}.items():
        if not kinds.text(value):
            raise InputError(f"{path}: {field!r} is {value!r:.80}, no text; restore the file.")
    return recorded


def per_seed(summary: Mapping[str, Any]) -> tuple[str, ...]:
    """The fields of a summary that have a value for each seed."""
    return tuple(field for field in summary if field.startswith(tuple(f"{end}_" for end in ENDS)))


def _per_seed_of(task: Any) -> tuple[str, ...]:
    """The fields of `PER_SEED` that a run of the task has, and summaries of before had."""
    known = tasks.TASKS.get(task) if isinstance(task, str) else None
    return PER_SEED if known is None or known.success is not None else PER_SEED[2:]


def _summary(path: Path, required: Sequence[str]) -> dict[str, Any]:
    summary = read_json(path)
    for field in (*SUMMARY, *required):
        if field not in summary:
            raise InputError(f"{path}: field {field!r} is missing; restore the file.")
    if wrong := kinds.wrong_in(summary, per_seed(summary)):
        raise InputError(f"{path}: field {wrong!r} is {summary[wrong]!r:.80}; restore the file.")
    return summary


def read(folder: Path) -> Run:
    """Reads a run.

    Raises:
      InputError: names the file that is missing or unreadable.
    """
    started = about(folder)
    evaluations, summary = folder / "evaluations.jsonl", folder / "summary.json"
    dataset, earlier = started.get("dataset"), started.get("earlier")
    return Run(
        folder=folder,
        config=started["config"],
        versions=started["versions"],
        commit=started["git_commit"],
        evaluations=read_lines(evaluations) if evaluations.exists() else [],
        summary=_summary(summary, _per_seed_of(started["config"].get("task"))) if summary.exists() else None,
        source=str(started.get("source", "")),
        dataset=str(dataset.get("fingerprint", "")) if isinstance(dataset, dict) else "",
        changes=len(earlier) if isinstance(earlier, list) else 0,
    )


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


def updates_per_second(run: Run) -> float:
    """Updates per second of the update section alone, compilation aside, summed over seeds."""
    if run.summary is None or not run.summary["wall_seconds"]["update"]:
        return float("nan")
    seconds = run.summary["wall_seconds"]["update"]
    return run.summary["updates"] * len(run.summary["seeds"]) / seconds
