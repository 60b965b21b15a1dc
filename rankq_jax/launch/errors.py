"""Why a job failed, in one line."""

import re
import signal
from pathlib import Path

TAIL = 65_536  # bytes of a log that are searched


def cause(status: int, log: Path, position: int) -> str:
    """Why a command failed, from how it ended and what it wrote.

    Args:
      status: its exit status, not 0; negative for a signal.
      log: with its output.
      position: byte at which its part of the log begins.
    """
    if status < 0:
        known = {one.value: one.name for one in signal.Signals}
        name = known.get(-status, f"signal {-status}")
        return f"killed by {name}" + (", perhaps for want of memory" if name == "SIGKILL" else "")
    try:
        with log.open("rb") as file:
            file.seek(max(position, log.stat().st_size - TAIL))
            text = file.read().decode(errors="replace")
    except OSError:
        text = ""
    # A progress bar returns to the beginning of its line.
    lines = [line.strip() for line in re.split(r"[\r\n]", text) if line.strip()]
    # What an exception comes with, e.g. notes about removed frames, may follow the line that names it.
    for pattern in (r"error: ", r"[A-Za-z_][\w.]*(Error|Exception|Interrupt)\b", ""):
        for line in reversed(lines):
            if re.match(pattern, line):
                return line.removeprefix("error: ")
    return f"ended with status {status} and wrote nothing"
