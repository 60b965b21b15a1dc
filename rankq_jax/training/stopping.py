"""Signals that ask a run to stop: of users, of batch systems, and of machines that go down."""

import os
import signal
import sys
import threading
import time
from types import FrameType
from typing import NoReturn

from tqdm import tqdm

from rankq_jax.errors import Stopped

# SIGUSR1 and SIGUSR2 are what batch systems are set to send before a time limit.
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2)
SECOND = 1.0  # after so many seconds another Ctrl-C is a second one, and not an echo of the first


def end(message: str, status: int) -> NoReturn:
    """Ends the process at once, with one line on stderr."""
    try:
        with tqdm.external_write_mode(file=sys.stderr):  # a line of its own, where a bar is still being drawn
            print(" ".join(message.split()), file=sys.stderr, flush=True)
            sys.stdout.flush()
            os._exit(status)
    finally:  # wherever the line could not go
        # Threads of environments and checkpoints must not keep a failed process alive.
        os._exit(status)


class Requests:
    """Requests to stop, once somebody has begun to `hear`; before that there are none.

    The first one raises `Stopped`, as long as nothing would be lost; after `note` it is noted, for the run
    that asks for it when it can stop. The others change nothing, except a second Ctrl-C, which ends the
    process at once: the run then goes on from the checkpoint before.
    """

    def __init__(self) -> None:
        self._first: float | None = None
        self._noting = False

    def hear(self) -> "Requests":
        """From now on, to the end of the process, signals are requests; in the main thread, which alone can
        hear any."""
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
                    signal.signal(number, self._heard)
        return self

    def __call__(self) -> bool:
        """Whether somebody has asked."""
        return self._first is not None

    def note(self) -> None:
        """From now on there is something to lose: requests are noted, and interrupt nothing."""
        self._noting = True

    def _heard(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self._first is None:
            self._first = now
            if not self._noting:
                raise Stopped("nothing had been done since the last checkpoint")
        elif number == signal.SIGINT and now - self._first > SECOND:
            message = "stopped at once; the same command goes on from the last checkpoint"
            end(message, Stopped.exit_status)
