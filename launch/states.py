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

from launch import record
from launch.sweep import Job

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


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


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
            found = dict(json.loads(line))
            _ = found["updates"], found["seconds"]["total"]
        except (ValueError, TypeError, KeyError):  # being written, or cut where the tail begins
            continue
        if not last:
            last = found
        elif found.get("phase") != last.get("phase"):
            break
        elif found.get("seed") == last.get("seed") and found["updates"] < last["updates"]:
            before = found
    return last, before


def _updates(config: dict[str, Any]) -> float:
    try:
        online = config["online"]
        return config["offline"]["updates"] + int(online["env_steps"] * online["updates_per_step"])
    except (KeyError, TypeError):
        return 0


def _advance(folder: Path) -> tuple[float | None, float | None, float | None]:
    """Share of the updates done, updates per second, seconds left."""
    total = _updates(_json(folder / "config.json").get("config", {}))
    last, before = _last_stretch(folder / "metrics.jsonl")
    if not total or not last:
        return (0.0 if total else None), None, None
    progress = min(last["updates"] / total, 1.0)
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
    return time.time() - max(path.stat().st_mtime for path in signs) < GRACE


def _rates(folder: Path) -> str:
    summary = _json(folder / "summary.json")
    parts = []
    for phase in ("offline", "final"):
        found = [rate for rate in summary.get(f"{phase}_success_rate") or [] if rate is not None]
        if found:
            parts.append(f"{phase} {statistics.fmean(found):.2f}")
    seeds = len(summary.get("seeds") or [])
    return f"success {', '.join(parts)} ({seeds} seed{'s' * (seeds != 1)})" if parts else ""


def of(job: Job, out: Path) -> State:
    """The state of a job whose workdir lies below `out`, also if no launcher has started it."""
    folder = out / job.name
    known = record.read(folder)
    failures = int(known.get("failures") or 0)
    if record.finished(folder):
        return State(job.name, record.DONE, 1.0, failures=failures, detail=_rates(folder))
    if _runs(folder, known):
        place = f"on {known['host']}" if known.get("state") == record.RUNNING else "started by hand"
        return State(job.name, record.RUNNING, *_advance(folder), failures, place)
    if not known and not (folder / "config.json").exists():
        return State(job.name, record.QUEUED)
    progress = _advance(folder)[0]
    if known.get("state") == record.FAILED:
        return State(job.name, record.FAILED, progress, failures=failures, detail=str(known.get("error")))
    return State(job.name, record.PREEMPTED, progress, failures=failures, detail="the same command goes on")


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
