"""What a run left in its folder, as values."""

import contextlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rankq_jax import tasks
from rankq_jax.analysis import kinds
from rankq_jax.errors import InputError
from rankq_jax.writers import read_lines

# Fields of the summary that pages and tables read.
SUMMARY = ("seeds", "dataset", "updates", "env_steps", "wall_seconds")
# Those with a value for each seed; the first two where a task has success.
PER_SEED = ("offline_success_rate", "final_success_rate", "final_episode_length")
ENDS = ("offline", "final")  # of a run that are reported
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
        raise InputError(f"{folder}: holds no config.json; give the folder of a run.")
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
    known = None
    with contextlib.suppress(InputError):  # of a package that is not there
        known = tasks.find(task) if isinstance(task, str) else None
    return PER_SEED if known is None or tasks.SUCCESS in known.measures else PER_SEED[2:]


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


def updates_per_second(run: Run) -> float:
    """Updates per second of the update section alone, compilation aside, summed over seeds."""
    if run.summary is None or not run.summary["wall_seconds"]["update"]:
        return float("nan")
    seconds = run.summary["wall_seconds"]["update"]
    return run.summary["updates"] * len(run.summary["seeds"]) / seconds
