"""The state of every job, from the workdirs alone: no launcher, queue or cluster is asked."""

import json
import socket
import statistics
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from rankq_jax.launch import record
from rankq_jax.launch.jobs import Job
from rankq_jax.launch.ownership import foreign
from rankq_jax.launch.readings import mapping, number, within

ORDER = (record.DONE, record.RUNNING, record.QUEUED, record.PREEMPTED, record.FAILED)
COLOURS = dict(zip(ORDER, ("green", "cyan", "dim", "yellow", "red"), strict=True))
TAIL = 262_144  # bytes of metrics.jsonl that are read; the rate is the mean over them
GRACE = 120.0  # seconds without a sign after which a job on another machine counts as gone
WIDE = 10_000  # columns where no terminal limits them


class State(NamedTuple):
    """What is known of a job.

    Attributes:
      name: of the job.
      state: one of `ORDER`.
      progress: share of its updates that is done, 0 to 1; None if unknown.
      rate: updates per second and seed over the last records of its phase; None unless it is running.
      left: seconds until the last update at that rate.
      failures: how many of its attempts have failed.
      detail: success rates of one that is done, the error of one that has failed, else where it runs.
    """

    name: str
    state: str
    progress: float | None = None
    rate: float | None = None
    left: float | None = None
    failures: int = 0
    detail: str = ""


def _last_stretch(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The last record of `metrics.jsonl` and the earliest one in its tail of the same seed and phase, or
    empty ones. Between two records that follow each other there may be an evaluation or none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - TAIL))
            lines = file.read().splitlines()
    except OSError:
        return {}, {}
    last: dict[str, Any] = {}
    before: dict[str, Any] = {}
    for line in reversed(lines):
        try:
            found = within(json.loads(line))
        except (ValueError, RecursionError):  # being written, or cut where the tail begins
            continue
        if number(found.get("updates")) is None or number(within(found.get("seconds")).get("total")) is None:
            continue
        if not last:
            last = found
        elif found.get("phase") != last.get("phase"):
            break
        elif found.get("seed") == last.get("seed") and found["updates"] < last["updates"]:
            before = found
    return last, before


def _updates(config: dict[str, Any]) -> float:
    online = within(config.get("online"))
    values = [
        number(within(config.get("offline")).get("updates")),
        *(number(online.get(name)) for name in ("env_steps", "updates_per_step")),
    ]
    known = [value for value in values if value is not None and value >= 0]
    return known[0] + int(known[1] * known[2]) if len(known) == len(values) else 0


def _advance(folder: Path) -> tuple[float | None, float | None, float | None]:
    """Share of the updates done, updates per second, seconds left."""
    total = _updates(within(mapping(folder / "config.json").get("config")))
    last, before = _last_stretch(folder / "metrics.jsonl")
    if not total or not last:
        return (0.0 if total else None), None, None
    progress = min(max(last["updates"] / total, 0.0), 1.0)
    if not before:
        return progress, None, None
    seconds = last["seconds"]["total"] - before["seconds"]["total"]
    if seconds <= 0:
        return progress, None, None
    rate = (last["updates"] - before["updates"]) / seconds
    return progress, rate, (1 - progress) * total / rate if rate > 0 else None


def _runs(folder: Path, known: dict[str, Any]) -> bool:
    if record.busy(folder):
        return True
    if known.get("state") != record.RUNNING or known.get("host") == socket.gethostname():
        return False
    # On another machine, which may not have taken the lock yet, or not on a file system that tells.
    signs = [folder / name for name in ("job.json", "metrics.jsonl") if (folder / name).exists()]
    return time.time() - max((path.stat().st_mtime for path in signs), default=0.0) < GRACE


PHASES = ("initial", "offline", "final")


def _rates(folder: Path) -> str:
    path = folder / "summary.json"
    summary = mapping(path)
    parts, wrong = [], [] if isinstance(summary.get("seeds"), list) else ["seeds"]
    dense = not any(f"{phase}_success_rate" in summary for phase in PHASES)
    measure, name = ("return", "return") if dense else ("success_rate", "success")
    for phase in PHASES:
        field = f"{phase}_{measure}"
        values = summary.get(field)
        known = [rate for rate in values if rate is not None] if isinstance(values, list) else None
        if field in summary and (known is None or any(number(rate) is None for rate in known)):
            wrong.append(field)
        elif known:
            parts.append(f"{phase} {statistics.fmean(known):.2f}")
    if wrong:
        return f"{path}: cannot read {', '.join(wrong)}"
    seeds = len(summary["seeds"])
    return f"{name} {', '.join(parts)} ({seeds} seed{'s' * (seeds != 1)})" if parts else ""


def of(job: Job, out: Path) -> State:
    """The state of a job whose workdir lies below `out`, also if no launcher has started it."""
    folder = out / job.name
    known = record.read(folder)
    failures, damage = known.get("failures", 0), record.damage(folder)
    if record.finished(folder):
        if other := foreign(job, out):
            return State(job.name, record.FAILED, failures=failures, detail=other)
        return State(job.name, record.DONE, 1.0, failures=failures, detail=damage or _rates(folder))
    if _runs(folder, known):
        place = f"on {known.get('host')}" if known.get("state") == record.RUNNING else "started by hand"
        return State(job.name, record.RUNNING, *_advance(folder), failures, place)
    if not known and not (folder / "config.json").exists():
        return State(job.name, record.QUEUED)
    progress = _advance(folder)[0]
    if known.get("state") == record.FAILED:
        return State(job.name, record.FAILED, progress, failures=failures, detail=known.get("error", ""))
    detail = damage or "the same command goes on"
    return State(job.name, record.PREEMPTED, progress, failures=failures, detail=detail)


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


def show(states: Sequence[State]) -> None:
    """Prints the table of states; without colours and cut lines where no terminal reads it."""
    console = Console(highlight=False)
    terminal = console.is_terminal
    if not terminal:
        console = Console(width=WIDE, color_system=None, highlight=False)
    table = Table(box=box.SIMPLE_HEAD if terminal else None, pad_edge=False)
    for name in ("job", "state", "progress", "updates/s", "left", "failures", "what"):
        right = name in ("progress", "updates/s", "left", "failures")
        table.add_column(name, justify="right" if right else "left", overflow="fold")
    for state in states:
        progress = "" if state.progress is None else f"{int(100 * state.progress)} %"
        table.add_row(
            Text(state.name),
            Text(state.state, style=COLOURS[state.state] if terminal else ""),
            progress,
            "" if state.rate is None else f"{state.rate:.1f}",
            _duration(state.left),
            str(state.failures) if state.failures else "",
            Text(state.detail),
        )
    console.print(table)
    counts = Counter(state.state for state in states)
    total = f"{len(states)} job{'s' * (len(states) != 1)}"
    console.print(f"{total}: {', '.join(f'{counts[name]} {name}' for name in ORDER if counts[name])}")
