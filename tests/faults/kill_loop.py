"""Kills training runs at random moments, goes on with the same command, and compares them bit for bit.

python -m tests.faults.kill_loop --kills=100
python -m tests.faults.kill_loop --kills=100 --signal=TERM
"""

import argparse
import concurrent.futures
import contextlib
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tests.faults.commands import Ended, Nursery, Running, Shell
from tests.faults.comparison import Comparison, compare
from tests.faults.scenarios import EXPERT, SCENARIOS
from tests.faults.watching import EVERYWHERE, Pace, Watched, aimed

PATIENCE = 10.0  # seconds from a signal to the end: the promise of docs/reliability.md

# What the kills of one run are aimed at, in the order in which a run comes by.
AIMS = (
    "start", "offline", "checkpoint", "evaluating", "any", "online", "rows", "checkpoint", "evaluating",
    "online", "report", "report",
)  # fmt: skip
COLLECTING = ("start", "collect", "rows", "collect", "collect", *AIMS[1:])  # of a run that collects first


class Report(NamedTuple):
    """What came of one run: where its kills hit, what differs in the end, and the seconds that it took."""

    places: list[str]
    found: Comparison
    seconds: float


class Loop:
    """Uninterrupted runs, and killed ones beside them."""

    def __init__(
        self,
        shell: Shell,
        folder: Path,
        random: np.random.Generator,
        flags: Sequence[str] = (),
        number: signal.Signals = signal.SIGKILL,
    ):
        self._shell, self._folder, self._random, self._flags = shell, folder, random, list(flags)
        self._signal = number
        self.paces: dict[str, Pace] = {}
        self._runs: Counter[str] = Counter()

    def reference(self, name: str) -> Path:
        """Where the uninterrupted run of a scenario lies."""
        return self._folder / name.replace(" ", "-").replace(",", "") / "uninterrupted"

    def _start(self, name: str, folder: Path) -> Running:
        scenario = SCENARIOS[name]
        flags = [*scenario.words, *self._flags]
        if scenario.expert:
            flags.append(f"--config.preferences.expert={self.reference(EXPERT)}")
        return self._shell.start(*flags, f"--workdir={folder}", environment=scenario.environment)

    def prepare(self, name: str) -> None:
        """Trains a scenario without interruption, and again for the pace, with nothing to compile."""
        for folder in (self.reference(name), self.reference(name).with_name("pace")):
            command = self._start(name, folder)
            watched, begin = Watched(folder, command), time.monotonic()
            marks = []
            for seen in (watched.begun, watched.learning, watched.summarised, command.ended):
                command.until(seen, 600.0, pause=0.005)
                marks.append(time.monotonic() - begin)
            _succeeded(command, 600.0)
        start, collected, trained, ended = marks
        self.paces[name] = Pace(start, trained - start, ended - trained, collected - start)
        shutil.rmtree(folder)

    def run(self, name: str, aims: Sequence[str]) -> Report:
        """One run that is killed at the aims, as far as it comes by them, and is then left to its end."""
        self._runs[name] += 1
        begin, places = time.monotonic(), []
        folder = self.reference(name).with_name(f"killed-{self._runs[name]}")
        try:
            for aim in aims:
                command = self._start(name, folder)
                watched = Watched(folder, command)
                rest = aimed(watched, aim, self.paces[name], self._random)
                command.until(lambda: False, rest, pause=min(rest, 0.01) or 0.001)
                if command.ended():
                    _succeeded(command)
                else:
                    places.append(self._hit(command, watched))
                if (folder / "report" / "index.html").exists():
                    break
            _succeeded(self._start(name, folder))
            found = compare(self.reference(name), folder)
        except AssertionError as error:
            found = Comparison([f"{folder}: {error}"], 0)
        if not found.mismatches:
            shutil.rmtree(folder)
        return Report(places, found, time.monotonic() - begin)

    def _hit(self, command: Running, watched: Watched) -> str:
        place = watched.place()
        command.send(self._signal)
        result = command.result(PATIENCE)
        _quiet(result.error)
        _obeyed(result, self._signal)
        if self._signal == signal.SIGKILL:  # what it left is where it was
            return watched.place() + ("" if result.status else ", ended")
        return place

    def kill(self, name: str, kills: int) -> list[Report]:
        """Runs of a scenario until so many kills have hit; prints what they came to."""
        if name not in self.paces:
            self.prepare(name)
        runs: list[Report] = []
        aims = COLLECTING if SCENARIOS[name].collects else AIMS
        while (missing := kills - sum(len(run.places) for run in runs)) > 0 and len(runs) < kills + 5:
            chosen = sorted(self._random.choice(len(aims), min(missing, len(aims)), replace=False))
            runs.append(self.run(name, [aims[i] for i in chosen]))
            for line in runs[-1].found.mismatches:
                print(f"MISMATCH {name}: {line}", flush=True)
        print(_line(name, runs), flush=True)
        return runs


def _quiet(error: str) -> None:
    """Fails if a checkpoint was damaged, which no kill may do, or something went wrong unforeseen."""
    for word in ("Traceback", "cannot be restored", "error:"):
        assert word not in error, error[-2000:]


def _obeyed(result: Ended, number: signal.Signals) -> None:
    """Fails if a run that was hit by a signal has ended in another way than it should."""
    if number == signal.SIGKILL:
        assert result.status in (0, -number), f"status {result.status}: {result.error[-2000:]}"
    elif result.status == -number:
        assert not result.out, result.out  # Python had not come to the command yet
    else:
        said = [line for line in result.lines if line.startswith("stopped: ")]
        assert (result.status, result.lines) in ((0, []), (75, said)) and len(said) <= 1, result


def _succeeded(command: Running, seconds: float = 300.0) -> None:
    result = command.result(seconds)
    assert result.status == 0, f"status {result.status}: {result.error[-2000:]}"
    _quiet(result.error)


def _line(name: str, runs: list[Report]) -> str:
    places = Counter(place for run in runs for place in run.places)
    where = ", ".join(f"{places[place]} {place}" for place in sorted(places))
    lost, wrong = sum(run.found.lost for run in runs), sum(len(run.found.mismatches) for run in runs)
    return (
        f"{name}: {len(runs)} runs, {places.total()} kills ({where}), {wrong} mismatches, {lost} lost records"
    )


def _any_collects(names: Sequence[str]) -> bool:
    return any(SCENARIOS[name].collects for name in names)


def _parsed(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--signal", choices=("KILL", "TERM"), default="KILL")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--jobs", type=int, default=2, help="scenarios at the same time")
    parser.add_argument("--out", type=Path, help="new folder that stays; a temporary one without it")
    parser.add_argument("--forked", action="store_true", help="start runs as forks, which saves the imports")
    parser.add_argument("--only", action="append", choices=SCENARIOS, help="scenario; all without it")
    parser.add_argument("flags", nargs="*", help="further flags of the runs, after --")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> int:
    """Prints a line for each scenario; returns 1 if a run has something else than the uninterrupted one."""
    given = _parsed(arguments)
    out = given.out or Path(tempfile.mkdtemp(prefix="kill-loop-"))
    number = signal.Signals[f"SIG{given.signal}"]
    names, begin = given.only or list(SCENARIOS), time.monotonic()
    with contextlib.ExitStack() as stack, concurrent.futures.ThreadPoolExecutor(given.jobs) as pool:
        loops, asking = {}, any(SCENARIOS[name].expert for name in names)
        for index, name in enumerate(SCENARIOS):
            said = out / f"said-{index}"
            said.mkdir(parents=True)
            if name in names or (asking and name == EXPERT):
                shell = stack.enter_context((Nursery if given.forked else Shell)(said))
                random = np.random.default_rng([given.seed, index])
                loops[name] = Loop(shell, out, random, given.flags, number)
        if asking:
            loops[EXPERT].prepare(EXPERT)
        shares = [len(part) for part in np.array_split(range(given.kills), len(names))]
        found = pool.map(lambda name, kills: loops[name].kill(name, kills), names, shares)
        runs = [run for some in found for run in some]
    print(_line("all", runs))
    seconds, kills = time.monotonic() - begin, sum(len(run.places) for run in runs)
    print(f"{seconds:.0f} s, {seconds / max(kills, 1):.1f} s per kill, seed {given.seed}")
    places = [place for place in EVERYWHERE if place != "collect" or _any_collects(names)]
    missed = [place for place in places if not any(place in run.places for run in runs)]
    if missed:
        print(f"no kill hit: {', '.join(missed)}")
    wrong = any(run.found.mismatches or run.found.lost for run in runs) or kills < given.kills
    if wrong:
        print(f"the runs lie in {out}")
    elif given.out is None:
        shutil.rmtree(out)
    return int(wrong)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
