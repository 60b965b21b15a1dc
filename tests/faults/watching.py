"""Where a run is, from its folder alone, and waiting for the moments that a kill is aimed at."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from tests.faults.commands import Running

EVERYWHERE = ("start-up", "collect", "offline", "online", "evaluating", "checkpoint", "summary or report")


class Watched:
    """The folder of a run that a command works in."""

    def __init__(self, folder: Path, command: Running) -> None:
        self.folder, self.command = folder, command

    def new(self, path: Path) -> bool:
        """Whether the path is there and was changed since the command was started."""
        try:
            return path.stat().st_ctime > self.command.launched
        except OSError:
            return False

    def begun(self) -> bool:
        """Whether the command has begun to train: it has cut or written its metrics."""
        return self.new(self.folder / "metrics.jsonl")

    def unfinished(self) -> list[str]:
        """Names of what this command has begun to write of a checkpoint."""
        folder = self.folder / "checkpoints"
        found = [*folder.glob("*.orbax-checkpoint-tmp*"), *folder.glob("replay/.unfinished-*")]
        return [path.name for path in found if self.new(path)]

    def last(self, name: str) -> dict[str, Any]:
        """The last whole record of a file; empty without one."""
        try:
            lines = (self.folder / name).read_text().split("\n")[:-1]
            return json.loads(lines[-1])
        except (OSError, IndexError, ValueError):
            return {}

    def evaluating(self) -> bool:
        """Whether all updates of a round were made and not evaluated yet, where every round is evaluated."""
        if not self.begun():
            return False
        made, evaluated = self.last("metrics.jsonl"), self.last("evaluations.jsonl")
        if not made or all(made[name] == evaluated.get(name) for name in ("updates", "env_steps")):
            return False
        collect, offline, online = (self.section(name) for name in ("collect", "offline", "online"))
        if made["phase"] == "offline":
            return made["updates"] % offline["updates_per_iteration"] == 0
        steps = made["env_steps"] - collect["env_steps"] - online["warmup"]
        owed = int(online["updates_per_step"] * steps)
        owed -= owed % online["updates_per_dispatch"]
        return made["updates"] == offline["updates"] + owed

    def section(self, name: str) -> dict[str, Any]:
        """The fields of a phase."""
        return json.loads((self.folder / "config.json").read_text())["config"][name]

    def collecting(self) -> bool:
        """Whether the command has begun, and collects before it learns, or evaluates what has collected.

        Such a phase has no updates to record. Its evaluation has the first record of all.
        """
        if not self.begun() or not self.section("collect")["env_steps"]:
            return False
        return not self.last("evaluations.jsonl") and not self.last("metrics.jsonl")

    def learning(self) -> bool:
        """Whether the command has begun, and is past what it collects before."""
        return self.begun() and not self.collecting()

    def phase(self) -> str:
        """Of the newest record of updates, or the one that collects before there is any record."""
        if self.collecting():
            return "collect"
        return self.last("metrics.jsonl").get("phase", "") if self.begun() else ""

    def summarised(self) -> bool:
        """Whether training is over."""
        return any(self.folder.glob("*summary.json"))  # or what will be one

    def place(self) -> str:
        """Where the command is, or was when it ended; one of `EVERYWHERE`."""
        if self.summarised():
            return "summary or report"
        if not self.begun():
            return "start-up"
        if self.unfinished():
            return "checkpoint"
        return "evaluating" if self.evaluating() else self.phase() or "offline"


class Pace:
    """How long an uninterrupted run took from its launch to its first record, to its summary, to its end; and
    how much of the second it collected before it learned."""

    def __init__(self, start: float, train: float, report: float, collect: float = 0.0) -> None:
        self.start, self.train, self.report, self.collect = start, train, report, collect


def aimed(watched: Watched, aim: str, pace: Pace, random: np.random.Generator) -> float:
    """Waits for the moment that an aim stands for; returns what then has to be slept.

    Args:
      watched: the run.
      aim: "start", "any", "checkpoint", "rows", "evaluating", "report", or the name of a phase.
      pace: of an uninterrupted run.
      random: where in the aim.
    """
    until = watched.command.until
    if aim == "start":
        return float(random.uniform(0.0, pace.start))
    if aim in ("any", "checkpoint", "rows", "evaluating"):
        until(watched.begun)
    if aim == "any":
        return float(random.uniform(0.0, pace.train))
    if aim in ("checkpoint", "rows"):
        prefix = "rows-" if aim == "rows" else ""
        for _ in range(int(random.integers(1, 4))):
            until(lambda: not watched.unfinished(), pause=0.001)
            until(lambda: any(prefix in name for name in watched.unfinished()), pause=0.0005)
        return float(random.choice([0.0, 0.0, 0.01, 0.03]))
    if aim == "evaluating":
        until(watched.evaluating, pause=0.0005)
        return float(random.uniform(0.0, 0.03))
    if aim == "report":
        until(watched.summarised, pause=0.0005)
        return float(random.choice([0.0, random.uniform(0.0, pace.report)]))
    until(lambda: watched.phase() == aim)
    return float(random.uniform(0.0, pace.collect if aim == "collect" else pace.train / 3))
