"""What lies in the folder of a sweep: its runs, and the jobs that are not done."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rankq_jax.analysis import kinds, results
from rankq_jax.analysis.comparison import SHARED
from rankq_jax.analysis.groups import SEEDS, Group, Member, grouped, member
from rankq_jax.errors import InputError
from rankq_jax.writers import flattened

RECORD = "job.json"  # the launcher's, about the last attempt
DAMAGED, UNFINISHED, LEFT_OUT = "damaged", "unfinished", "left out"  # beside the launcher's own states

# Configuration fields that the arms of a task should share. A phase that an arm leaves out does not count.
BUDGET = tuple(field for field in SHARED if field not in SEEDS)
LENGTHS = ("offline.updates", "online.env_steps")


class Job(NamedTuple):
    """What the launcher knows of a job.

    Attributes:
      state: `queued`, `running`, `preempted`, `failed` or `done`.
      error: last line that says why it failed; empty if it did not.
      starts: how often it was started.
      failures: how often it failed.
      host: of its last process.
    """

    state: str
    error: str = ""
    starts: int | None = None
    failures: int | None = None
    host: str = ""


class Open(NamedTuple):
    """A job that is not done.

    Attributes:
      name: of its workdir.
      job: its state; one of this module where the launcher left none.
      reached: how far it was evaluated.
    """

    name: str
    job: Job
    reached: str


class Sweep(NamedTuple):
    """The jobs of one or several folders.

    Attributes:
      jobs: how many there are.
      sections: `{task: arms}`.
      open: the jobs that are not done.
    """

    jobs: int
    sections: dict[str, list[Group]]
    open: list[Open]

    @property
    def members(self) -> list[Member]:
        """The runs that are in an arm."""
        return [m for groups in self.sections.values() for group in groups for m in group.members]


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
    record = results.read_json(path)
    for name, fits in (
        ("state", kinds.text), ("error", kinds.text), ("host", kinds.text), ("starts", kinds.whole),
        ("failures", kinds.whole),
    ):  # fmt: skip
        if not fits(record.get(name)) and (name == "state" or record.get(name) is not None):
            raise InputError(f"{path}: field {name!r} is {record.get(name)!r:.80}; restore the file.")
    lines = [line.strip() for line in (record.get("error") or "").splitlines() if line.strip()]
    starts, failures = (record.get(name) for name in ("starts", "failures"))
    return Job(record["state"], lines[-1] if lines else "", starts, failures, record.get("host") or "")


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
    members: dict[Path, Member] = {}
    listed: dict[Path, Open] = {}
    names: dict[Path, str] = {}
    for folder, workdir in found:
        names[workdir] = workdir.name if len(folders) == 1 else f"{folder.name}/{workdir.name}"
        known, problems = None, []
        try:
            known = job(workdir)
        except (InputError, OSError) as error:
            problems.append(str(error))
        try:
            if is_run(workdir):
                members[workdir] = member(results.read(workdir))
        except (InputError, OSError) as error:
            problems.append(str(error))
        entry = _open(known, members.get(workdir), problems)
        if entry is not None:
            listed[workdir] = Open(names[workdir], *entry)
    sections, left_out = grouped(members.values())
    for run, reason in left_out:
        listed[run.folder] = Open(names[run.folder], Job(LEFT_OUT, reason), "")
    return Sweep(len(found), sections, [listed[workdir] for _, workdir in found if workdir in listed])


def _open(known: Job | None, own: Member | None, problems: list[str]) -> tuple[Job, str] | None:
    """The row of a job in the list of those that are not done; None if it is done."""
    ended = own is not None and own.run.summary is not None
    if ended and not problems and (known is None or known.state in ("done", "running", "queued")):
        return None  # a launcher that was killed may not have noticed the end
    if known is not None and known.state == "done" and not problems:
        missing = "config.json" if own is None else "summary.json"
        problems.append(f"{missing} is missing; restore the file or run the job again")
    reached = "" if own is None else _reached(own)
    error = "; ".join([*problems, *([known.error] if known is not None and known.error else [])])
    if known is None or known.state == "done":
        return Job(DAMAGED if problems else UNFINISHED, error), reached
    return known._replace(error=error), reached


def _reached(own: Member) -> str:
    records = own.run.evaluations
    if not records:
        return "not evaluated yet"
    return f"{records[-1]['updates']} updates, {records[-1]['env_steps']} environment steps"


def _values(values: dict[str, list[str]]) -> str:
    return " and ".join(f"{value} ({', '.join(dict.fromkeys(who))})" for value, who in values.items())


def differences(sweep: Sweep) -> list[str]:
    """A sentence for each thing that the runs should have in common and have not."""
    sentences = []
    runs = [(group.label, m.run) for own in sweep.sections.values() for group in own for m in group.members]
    origins: dict[str, dict[str, list[str]]] = {"commit": {}, "source code": {}}
    origins |= {package: {} for _, run in runs for package in run.versions}
    for label, run in runs:
        about = {"commit": run.commit, "source code": run.source or "unknown", **run.versions}
        for name, values in origins.items():
            values.setdefault(str(about.get(name, "unknown")), []).append(label)
    for name, values in origins.items():
        if len(values) > 1:
            sentences.append(f"The runs differ in their {name}: {_values(values)}.")
    sentences += [
        f"{run.folder.name}: was continued {run.changes} times with something changed; see its config.json."
        for _, run in runs
        if run.changes
    ]
    for task, groups in sweep.sections.items():
        data: dict[str, list[str]] = {}
        for group in groups:
            for m in group.members:
                data.setdefault(m.run.dataset or "unknown", []).append(group.label)
        if len(data) > 1:
            sentences.append(f"{task}: the runs differ in the digest of their data: {_values(data)}.")
        for field in (*BUDGET, *LENGTHS):
            chosen: dict[str, list[str]] = {}
            for group in groups:
                value: Any = flattened(group.members[0].run.config).get(field, "-")
                if not (field in LENGTHS and value == 0):
                    chosen.setdefault(str(value) or "the default", []).append(group.label)
            if len(chosen) > 1:
                sentences.append(f"{task}: the arms differ in {field}: {_values(chosen)}.")
    return sentences
