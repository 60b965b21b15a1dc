"""What lies in the folder of a sweep: its runs, and the jobs that are not done."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from rankq_jax.analysis import kinds, results
from rankq_jax.analysis.arms import BUDGET, Arm, Member, member
from rankq_jax.analysis.groups import grouped
from rankq_jax.analysis.results import Run
from rankq_jax.errors import InputError
from rankq_jax.writers import flattened

RECORD = "job.json"  # the launcher's, about the last attempt
DAMAGED, UNFINISHED, LEFT_OUT = "damaged", "unfinished", "left out"  # beside the launcher's own states

# Configuration fields that the arms of a task should share. A phase that an arm leaves out does not count.
LENGTHS = ("collect.env_steps", "offline.updates", "online.env_steps")
_Read = TypeVar("_Read")


class Job(NamedTuple):
    """A job of a sweep.

    Attributes:
      state: `queued`, `running`, `preempted`, `failed` or `done`; one of this module where the launcher left
        none.
      error: last line that says why it failed; empty if it did not.
      starts: how often it was started.
      failures: how often it failed.
      host: the machine of its last process.
      name: that of its workdir.
      reached: how far it was evaluated.
    """

    state: str
    error: str = ""
    starts: int | None = None
    failures: int | None = None
    host: str = ""
    name: str = ""
    reached: str = ""


class Sweep(NamedTuple):
    """The jobs of one or several folders.

    Attributes:
      jobs: how many there are.
      sections: `{task: arms}`.
      open: the jobs that are not done.
    """

    jobs: int
    sections: dict[str, list[Arm]]
    open: list[Job]

    @property
    def runs(self) -> list[tuple[str, Run]]:
        """The label of the arm and the run, of all that are in an arm."""
        return [(arm.label, m.run) for arms in self.sections.values() for arm in arms for m in arm.members]


def is_run(folder: Path) -> bool:
    """Whether a folder is the workdir of one run."""
    return (folder / "config.json").exists()


def _is_workdir(folder: Path) -> bool:
    """A job that failed early has left nothing but the launcher's files, and process-N those of a run."""
    kept = ("config.json", RECORD, "job.log")
    return any((folder / name).exists() for name in kept) or any(folder.glob("process-*/config.json"))


def workdirs(folder: Path) -> list[Path]:
    """The folder itself if it is a run's, else its children that are workdirs, in the order of their names.

    Raises:
      InputError: if there is none.
    """
    if is_run(folder):
        return [folder]
    children = sorted(folder.iterdir()) if folder.is_dir() else []
    found = [child for child in children if child.is_dir() and _is_workdir(child)]
    if not found:
        raise InputError(
            f"{folder}: holds no config.json, and no folder with one; give the folder of a run or the "
            "folder of a sweep."
        )
    return found


def job(folder: Path) -> Job | None:
    """The launcher's record of a job, None if there is none.

    Raises:
      InputError: if it is damaged.
    """
    path = folder / RECORD
    if not path.exists():
        return None
    record = {field: value for field, value in results.read_json(path).items() if value is not None}
    rules = {"error": kinds.text, "host": kinds.text, "starts": kinds.whole, "failures": kinds.whole}
    known = {field: kind for field, kind in rules.items() if field in record}
    kinds.check(path, record, {"state": kinds.text, **known})
    lines = [line.strip() for line in record.get("error", "").splitlines() if line.strip()]
    own = {field: record[field] for field in ("state", *known)}
    return Job(**{**own, "error": lines[-1] if lines else ""})


def read(folders: Sequence[Path]) -> Sweep:
    """Reads all runs of some folders, each a run's or a sweep's.

    A damaged run is listed as a job that is not done.

    Raises:
      InputError: if a folder is neither, or a workdir is there twice.
    """
    found = [(folder, workdir) for folder in folders for workdir in workdirs(folder)]
    places = [workdir.resolve() for _, workdir in found]
    for i, place in enumerate(places):
        if place in places[:i]:
            raise InputError(f"{found[i][1]}: is there twice; leave one out.")
    names = {w: w.name if len(folders) == 1 else f"{folder.name}/{w.name}" for folder, w in found}
    members: dict[Path, Member] = {}
    listed: dict[Path, Job] = {}
    for workdir, name in names.items():
        problems: list[str] = []
        known, own = _noting(problems, job, workdir), _noting(problems, _member, workdir)
        if own is not None:
            members[workdir] = own
        entry = _open(known, own, problems)
        if entry is not None:
            listed[workdir] = entry._replace(name=name)
    sections, left_out = grouped(members.values())
    for run, reason in left_out:
        listed[run.folder] = Job(LEFT_OUT, reason, name=names[run.folder])
    return Sweep(len(found), sections, [listed[workdir] for workdir in names if workdir in listed])


def _member(folder: Path) -> Member | None:
    return member(results.read(folder)) if is_run(folder) else None


def _noting(problems: list[str], read: Callable[[Path], _Read | None], folder: Path) -> _Read | None:
    """What can be read of a folder; None if it is damaged, with the reason among the problems."""
    try:
        return read(folder)
    except (InputError, OSError) as error:
        problems.append(str(error))
        return None


def _open(known: Job | None, own: Member | None, problems: list[str]) -> Job | None:
    """The row of a job in the list of those that are not done; None if it is done."""
    ended = own is not None and own.run.summary is not None
    if ended and not problems and (known is None or known.state in ("done", "running", "queued")):
        return None  # a launcher that was killed may not have noticed the end
    if known is not None and known.state == "done" and not problems:
        missing = "config.json" if own is None else "summary.json"
        problems.append(f"{missing} is missing; restore the file or run the job again")
    reached = "" if own is None else "not evaluated yet"
    if own is not None and own.run.evaluations:
        last = own.run.evaluations[-1]
        reached = f"{last['updates']} updates, {last['env_steps']} environment steps"
    error = "; ".join([*problems, *([known.error] if known is not None and known.error else [])])
    if known is None or known.state == "done":
        return Job(DAMAGED if problems else UNFINISHED, error, reached=reached)
    return known._replace(error=error, reached=reached)


def _several(pairs: Iterable[tuple[Any, str]]) -> str:
    """Values that should be one, each with who has it; empty if they are one."""
    values: dict[Any, dict[str, None]] = {}
    for value, label in pairs:
        values.setdefault(value, {})[label] = None
    told = " and ".join(f"{value} ({', '.join(labels)})" for value, labels in values.items())
    return told if len(values) > 1 else ""


def differences(sweep: Sweep) -> list[str]:
    """A sentence for each thing that the runs should have in common and have not."""
    runs = sweep.runs
    abouts = [
        ({"commit": run.commit, "source code": run.source or "unknown", **run.versions}, label)
        for label, run in runs
    ]
    found = []
    for name in dict.fromkeys(["commit", "source code", *(p for _, run in runs for p in run.versions)]):
        values = _several((about.get(name, "unknown"), label) for about, label in abouts)
        found += [f"The runs differ in their {name}: {values}."] if values else []
    found += [
        f"{run.folder.name}: was continued {run.changes} times with something changed; see its config.json."
        for _, run in runs
        if run.changes
    ]
    for task, arms in sweep.sections.items():
        data = _several((m.run.dataset or "unknown", arm.label) for arm in arms for m in arm.members)
        found += [f"{task}: the runs differ in the digest of their data: {data}."] if data else []
        for field in (*BUDGET, *LENGTHS):
            own = [(flattened(arm.run.config).get(field, "-"), arm.label) for arm in arms]
            values = _several(
                (str(value) or "the default", label) for value, label in own if field in BUDGET or value != 0
            )
            found += [f"{task}: the arms differ in {field}: {values}."] if values else []
    return found
