"""The training command as a user starts it: a process to watch, to signal and to kill.

Importing what training needs takes longer than a small run. So tests have a `Nursery`: a process that has
imported it and forks one child for each command, before JAX has started anything. `Shell` starts Python anew.
"""

import json
import os
import re
import runpy
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
TRAIN = "experiments.train"


class Ended(NamedTuple):
    """How a command ended; of a signal the status is its number with a minus."""

    status: int
    out: str
    error: str

    @property
    def lines(self):
        """What it said of errors and warnings: without the progress bar, which is drawn over itself."""
        drawn = (line.rsplit("\r", 1)[-1].strip() for line in self.error.split("\n"))
        bars = re.compile(r"(unit|update|step)/s|s/(unit|update|step)")
        return [line for line in drawn if line and not bars.search(line)]


class Running:
    """A command that was started."""

    def __init__(self, pid: int, poll: Callable[[], int | None], said: Path) -> None:
        self.pid, self._poll, self._said = pid, poll, said
        self.launched = time.time()
        self.status: int | None = None

    def ended(self) -> bool:
        """Whether it has."""
        if self.status is None:
            self.status = self._poll()
        return self.status is not None

    def send(self, number: int) -> None:
        """Sends a signal, if it is still there."""
        if not self.ended():
            os.kill(self.pid, number)

    def result(self, seconds: float = 300.0) -> Ended:
        """Waits for its end; kills it and fails when that takes too long."""
        if not self.until(self.ended, seconds):
            self.send(signal.SIGKILL)
            raise AssertionError(f"still running after {seconds} s: {self.error()[-2000:]}")
        assert self.status is not None
        return Ended(self.status, self._said.with_suffix(".out").read_text(), self.error())

    def error(self) -> str:
        """What it has written to stderr so far."""
        return self._said.with_suffix(".err").read_text(errors="replace")

    def kill(self) -> Ended:
        """Kills it with SIGKILL."""
        self.send(signal.SIGKILL)
        return self.result()

    def until(self, condition: Callable[[], bool], seconds: float = 120.0, pause: float = 0.002) -> bool:
        """Waits for a condition; False when the command has ended or the time is over before."""
        deadline = time.monotonic() + seconds
        while not condition():
            if self.ended() or time.monotonic() > deadline:
                return condition()
            time.sleep(pause)
        return True


def _request(
    said: Path, arguments: Sequence[str], environment: Mapping[str, str], prelude: Path | None, module: str
) -> dict:
    return {
        "said": str(said),
        "arguments": list(map(str, arguments)),
        "environment": dict(environment),
        "prelude": None if prelude is None else str(prelude),
        "module": module,
    }


def _become(request: dict) -> None:
    """Turns this process into the command; returns as its interpreter would come to the end."""
    os.environ.update(request["environment"])
    sys.argv = [request["module"], *request["arguments"]]
    if request["prelude"]:
        runpy.run_path(request["prelude"])
    runpy.run_module(request["module"], run_name="__main__", alter_sys=True)


class Shell:
    """Starts each command in a Python of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._count = folder, 0

    def __enter__(self):
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def start(
        self,
        *arguments: object,
        environment: Mapping[str, str] | None = None,
        prelude: Path | None = None,
        module: str = TRAIN,
    ) -> Running:
        """Starts `python -m module arguments`.

        Args:
          arguments: of the command.
          environment: variables on top of this process's own.
          prelude: a Python file that runs before the command, in its process.
          module: of the command.
        """
        self._count += 1
        said = self._folder / f"said-{self._count}"
        request = _request(said, arguments, environment or {}, prelude, module)
        if prelude is None:
            words = ["-m", module, *request["arguments"]]
        else:
            words = ["-c", f"from tests.faults import commands; commands._become({request!r})"]
        with said.with_suffix(".out").open("wb") as out, said.with_suffix(".err").open("wb") as error:
            process = subprocess.Popen(
                [sys.executable, *words],
                cwd=ROOT,
                env={**os.environ, **request["environment"]},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=error,
            )
        return Running(process.pid, process.poll, said)


class Nursery(Shell):
    """Starts each command as a fork of a process that has imported what it needs."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._server = subprocess.Popen(
            [sys.executable, "-c", "from tests.faults import commands; commands.serve()"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __exit__(self, *exception: object) -> None:
        self._server.communicate()  # the end of its input ends it

    def _ask(self, question: object) -> object:
        assert self._server.stdin is not None and self._server.stdout is not None
        self._server.stdin.write(json.dumps(question) + "\n")
        self._server.stdin.flush()
        return json.loads(self._server.stdout.readline())

    def start(self, *arguments, environment=None, prelude=None, module=TRAIN) -> Running:
        """As `Shell.start`."""
        self._count += 1
        said = self._folder / f"said-{self._count}"
        for suffix in (".out", ".err"):
            said.with_suffix(suffix).touch()
        pid = self._ask(_request(said, arguments, environment or {}, prelude, module))
        assert isinstance(pid, int)
        return Running(pid, lambda: self._ask(pid), said)  # type: ignore[arg-type, return-value]


def _preload() -> None:
    from rankq_jax import configs  # noqa: F401
    from rankq_jax.cli import main  # noqa: F401
    from rankq_jax.training import build, datasets, preferences, report, resume, train, workdir  # noqa: F401


def serve() -> None:
    """The process of a `Nursery`: a request starts a child and is answered with its number, and that number
    with the child's status, or null while it runs."""
    _preload()
    for line in sys.stdin:
        request = json.loads(line)
        if isinstance(request, int):
            pid, status = os.waitpid(request, os.WNOHANG)
            answer = os.waitstatus_to_exitcode(status) if pid else None
        else:
            answer = os.fork()
            if answer == 0:
                break
        print(json.dumps(answer), flush=True)
    else:
        return
    for number, suffix in ((1, ".out"), (2, ".err")):
        file = os.open(request["said"] + suffix, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    _become(request)
