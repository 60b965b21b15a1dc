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
    """Requests to stop: a flag that a run reads between its events.

    As long as nothing would be lost the first request ends the process at once. After `note` it sets the
    flag. Further requests change nothing, except a second Ctrl-C, which ends the process at once: the run
    then goes on from the checkpoint before. After `release` requests end the process at once again.
    """

    def __init__(self, hint: str = "the same command goes on") -> None:
        """No request yet, and signals do what they did.

        Args:
          hint: what the last line says of how to go on.
        """
        self._hint = hint
        self._first: float | None = None
        self._noting = False
        self._lost = "nothing had been done since the last checkpoint"

    def hear(self) -> "Requests":
        """Makes signals requests, from now on to the end of the process; in the main thread, which is the
        only one that can hear any."""
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
                    signal.signal(number, self._heard)
        return self

    def __call__(self) -> bool:
        """Whether there was a request."""
        return self._first is not None

    def note(self) -> None:
        """Says that from now on there is something to lose: requests set the flag, and end nothing."""
        self._noting = True

    def release(self, done: str) -> None:
        """Says that there is nothing to lose any more, because all that counts has been written.

        Args:
          done: the first words of the last line of a run that is asked to stop from now on.

        Raises:
          Stopped: if a request has come before.
        """
        self._noting, self._lost = False, done
        if self():
            raise Stopped(done)

    def ignore(self) -> None:
        """Says that all is done: signals change nothing any more, also while Python ends."""
        # Python gives its own handlers back before it ends; then a signal would end it with another status.
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                signal.signal(number, signal.SIG_IGN)

    def _heard(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if not self._noting:
            end(f"stopped: {self._lost}; {self._hint}", Stopped.exit_status)
        if self._first is None:
            self._first = now
        elif number == signal.SIGINT and now - self._first > SECOND:
            message = "stopped at once; the same command goes on from the last checkpoint"
            end(message, Stopped.exit_status)
