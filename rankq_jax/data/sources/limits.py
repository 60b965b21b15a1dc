"""How much memory the content of an untrusted file may take, before any of it is taken."""

import os
import resource
from pathlib import Path

from rankq_jax.errors import InputError

RATIO = 100  # of declared to stored bytes: compressed recordings have 1 to 3, what is made to burst 1,000
SMALL = 64 * 2**20  # bytes that any file may ask for
_GROUP = Path("/sys/fs/cgroup")
_MEMORY = Path("/proc/meminfo")


class Budget:
    """What is left of the memory that one source may take.

    Attributes:
      source: what messages begin with.
    """

    def __init__(self, source: str, stored: int) -> None:
        """Starts with `RATIO` bytes for each stored one, at least `SMALL`, at most what is free.

        Args:
          source: what messages begin with.
          stored: bytes of the files that the source consists of.
        """
        self.source, self._stored = source, stored
        self._by_file, self._free = max(SMALL, RATIO * stored), available()
        self._spent = 0

    def spend(self, field: str, size: int) -> None:
        """Notes that a field is going to take `size` bytes.

        Raises:
          InputError: if that is more than is left; names the field, what it declares and the limit.
        """
        self._spent += size
        if self._spent <= min(self._by_file, self._free):
            return
        start = f"{self.source}: field {field!r} declares {_words(size)}"
        if self._spent > size:
            start += f", {_words(self._spent)} with what was read before it"
        if self._spent > self._by_file:
            raise InputError(
                f"{start}, but the file holds {_words(self._stored)}, of which at most "
                f"{_words(self._by_file)} are made; get the file again or store it without compression."
            )
        raise InputError(
            f"{start}, but {_words(self._free)} of memory are free; free memory or split the file."
        )


def available() -> int:
    """Bytes of memory that this process can still take: of the machine, of its group, of its own limit."""
    found = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    meminfo = dict(line.split(":", 1) for line in _lines(_MEMORY) if ":" in line)
    if "MemAvailable" in meminfo:
        found.append(int(meminfo["MemAvailable"].split()[0]) * 1024)
    for limit, used in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        most, now = (_lines(_GROUP / name)[:1] for name in (limit, used))
        if most and now and most[0].isdigit():
            found.append(int(most[0]) - int(now[0]))
    soft = resource.getrlimit(resource.RLIMIT_AS)[0]
    mapped = _lines(Path("/proc/self/statm"))[:1]
    if soft != resource.RLIM_INFINITY and mapped:
        found.append(soft - int(mapped[0].split()[0]) * os.sysconf("SC_PAGE_SIZE"))
    return max(min(found), 0)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []


def _words(size: int) -> str:
    for unit, least in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= least:
            return f"{size / least:,.3g} {unit}"
    return f"{size} bytes"
