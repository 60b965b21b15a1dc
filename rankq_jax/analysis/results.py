"""What a run left in its folder, as values."""

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from rankq_jax import tasks
from rankq_jax.analysis import kinds
from rankq_jax.errors import InputError
from rankq_jax.writers import read_lines

# Fields of the summary that pages and tables read.
SUMMARY: dict[str, kinds.Kind] = {
    "seeds": kinds.wholes, "dataset": kinds.text, "updates": kinds.whole, "env_steps": kinds.whole,
    "wall_seconds": kinds.seconds,
}  # fmt: skip
# Those with a value for each seed that every summary has; the first two where a task has success.
PER_SEED = ("offline_success_rate", "final_success_rate", "final_episode_length")
ENDS = ("initial", "offline", "final")  # of a run that are reported; the first of runs that collect first
# Of the configuration: no number of the results depends on them.
FREE = (
    "threads", "keep_checkpoints", "keep_best_checkpoints", "checkpoint_minutes", "restarts",
    "diagnostics_every", "execution.evaluation",
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
        return self.setting("name", "") or (first if then in ("", first) else f"{first} then {then}")

    @property
    def task(self) -> tasks.Task:
        """The task that it was trained on.

        Raises:
          InputError: if there is no such task; names the file of the run.
        """
        try:
            return tasks.find(self.setting("task"))
        except InputError as error:
            raise InputError(f"{self.folder / 'config.json'}: {error}") from error

    def setting(self, field: str, default: Any = None) -> Any:
        """The value of a configuration field, e.g. `online.env_steps`, or the default where there is none.

        Raises:
          InputError: if the recorded configuration has no such field and there is no default, or if a value
            of another type is there.
        """
        value: Any = self.config
        for key in field.split("."):
            if not isinstance(value, dict) or key not in value:
                if default is not None and isinstance(value, dict):
                    return default
                raise InputError(f"{self.folder / 'config.json'}: field {field!r} is missing; run it again.")
            value = value[key]
        kinds.check(self.folder / "config.json", {field: value}, {field: lambda v: kinds.fits(field, v)})
        return value


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
    kinds.check(
        path, recorded, {"config": kinds.mapping, "versions": kinds.mapping, "git_commit": kinds.text}
    )
    kinds.check(path, recorded["versions"], dict.fromkeys(recorded["versions"], kinds.text))
    return recorded


def per_seed(summary: Mapping[str, Any]) -> tuple[str, ...]:
    """The fields of a summary that have a value for each seed."""
    return tuple(field for field in summary if field.startswith(tuple(f"{end}_" for end in ENDS)))


def _summary(path: Path, task: Any) -> dict[str, Any] | None:
    """The summary of a run of a task, None if there is none."""
    if not path.exists():
        return None
    summary = read_json(path)
    kinds.check(path, summary, SUMMARY)
    known = None
    with contextlib.suppress(InputError):  # of a package that is not there
        known = tasks.find(task) if isinstance(task, str) else None
    needed = PER_SEED if known is None or known.judged_by_success else PER_SEED[2:]
    seeds = len(summary["seeds"])
    kinds.check(path, summary, {f: kinds.per_seed(f, seeds) for f in (*needed, *per_seed(summary))})
    return summary


def read(folder: Path) -> Run:
    """Reads a run.

    Raises:
      InputError: names the file that is missing or unreadable.
    """
    started, evaluations = about(folder), folder / "evaluations.jsonl"
    dataset, earlier = started.get("dataset"), started.get("earlier")
    return Run(
        folder=folder,
        config=started["config"],
        versions=started["versions"],
        commit=started["git_commit"],
        evaluations=read_lines(evaluations) if evaluations.exists() else [],
        summary=_summary(folder / "summary.json", started["config"].get("task")),
        source=str(started.get("source", "")),
        dataset=str(dataset.get("fingerprint", "")) if isinstance(dataset, dict) else "",
        changes=len(earlier) if isinstance(earlier, list) else 0,
    )
