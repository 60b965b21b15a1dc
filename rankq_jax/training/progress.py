"""How far something is, for whoever waits: a bar on a terminal, and plain lines in a log."""

import os
import sys
import time
from collections.abc import Callable
from typing import Any, Self

from tqdm import tqdm

SECONDS = 30.0  # between two lines of a log, at least
INTERVAL = "TQDM_MININTERVAL"  # other seconds, for lines as for tqdm's bar
LINE = "{desc}: {percentage:.0f} % {n_fmt}/{total_fmt} [{elapsed}<{remaining}, {rate_fmt}{postfix}]"


def shown(
    total: int, unit: str, desc: str = "", *, smoothing: float = 0.3, delay: float = 0.0
) -> "tqdm[Any] | Lines":
    """What shows progress on stderr: tqdm's bar on a terminal, else `Lines`.

    Args:
      total: units of the whole.
      unit: in the singular, e.g. `update`.
      desc: what is going on.
      smoothing: of the bar's rate, see tqdm.
      delay: seconds; what is done earlier shows nothing.
    """
    if sys.stderr.isatty():
        return tqdm(total=total, unit=unit, desc=desc, smoothing=smoothing, delay=delay, dynamic_ncols=True)
    return Lines(total, unit, desc, delay)


class Lines:
    """What is used here of tqdm's interface, for logs: a line at most every `SECONDS`, and at an end.

    The environment variable `INTERVAL` gives other seconds, as launchers do whose terminal shows a log.
    An end is a new description, or `close`. The rate is that since the line before.
    """

    def __init__(
        self,
        total: int,
        unit: str,
        desc: str = "",
        delay: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Writes nothing yet; `clock` gives seconds, the other arguments are those of `shown`."""
        self.n = 0
        self._total, self._unit, self._desc, self._delay, self._clock = total, unit, desc, delay, clock
        self._began = self._told = clock()
        self._interval = float(os.environ.get(INTERVAL, SECONDS))
        self._mark: tuple[float, int] | None = None  # since when the rate is counted
        self._postfix, self._untold = "", False

    def update(self, n: int = 1) -> None:
        """Units that are done."""
        self.n += n
        self._untold = self._untold or n > 0
        # What goes on from a checkpoint does not begin at 0: the first units are not made in this time.
        self._mark = self._mark or (self._clock(), self.n)
        if self._untold and self._clock() - self._told >= self._interval:
            self._tell()

    def set_description(self, desc: str) -> None:
        """What is going on from now on; ends what was going on before."""
        if desc != self._desc:
            self._end()
        self._desc = desc

    def set_postfix_str(self, text: str) -> None:
        """What the next line ends with."""
        self._postfix = text

    def refresh(self) -> None:
        """Shows where it is if a line is due: something goes on that is not counted in units."""
        if self._clock() - self._told >= self._interval:
            self._tell()

    def close(self) -> None:
        """Ends what is going on."""
        self._end()

    def _end(self) -> None:
        if self._untold and self._clock() - self._began >= self._delay:
            self._tell()

    def _tell(self) -> None:
        now = self._clock()
        since, before = self._mark or (now, self.n)
        line = tqdm.format_meter(
            self.n,
            self._total,
            now - self._began,
            prefix=self._desc,
            unit=self._unit,
            rate=(self.n - before) / (now - since) if now > since and self.n > before else None,
            postfix=self._postfix,
            bar_format=LINE,
        )
        print(line, file=sys.stderr, flush=True)
        self._told, self._mark, self._untold = now, (now, self.n), False

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, *error: object) -> None:
        """As `close`."""
        self.close()
