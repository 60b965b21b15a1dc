"""Where the wall time goes, with compilation kept apart."""

import contextlib
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping

import jax


class Stopwatch:
    """Seconds by section. Compilation inside a section counts as `compile` and not for the section.

    Use as a context manager: compile times are heard from JAX's own monitoring between enter and exit.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.earlier = 0.0
        self._compiled: dict[int, float] = defaultdict(float)  # seconds, by thread
        self._lock = threading.Lock()
        self._start = time.perf_counter()

    def __enter__(self) -> "Stopwatch":
        self._start = time.perf_counter()
        jax.monitoring.register_event_duration_secs_listener(self._heard)
        return self

    def __exit__(self, *exception: object) -> None:
        jax.monitoring.unregister_event_duration_listener(self._heard)

    def _heard(self, event: str, duration_secs: float, **kwargs: str | int) -> None:
        if event.startswith("/jax/core/compile/"):
            with self._lock:  # evaluations may run in another thread
                self.seconds["compile"] += duration_secs
                self._compiled[threading.get_ident()] += duration_secs

    def go_on(self, seconds: Mapping[str, float]) -> None:
        """Counts the seconds of an earlier part of the same run: sections, and `total`."""
        for section, value in seconds.items():
            if section == "total":
                self.earlier = value
            else:
                self.seconds[section] += value

    @property
    def total(self) -> float:
        """Seconds since the stopwatch was entered, and those of `earlier` runs before it."""
        return self.earlier + time.perf_counter() - self._start

    @contextlib.contextmanager
    def __call__(self, section: str) -> Iterator[None]:
        """Adds the time until the block ends to `section`."""
        mine = threading.get_ident()
        start, compiled = time.perf_counter(), self._compiled[mine]
        try:
            yield
        finally:
            compiling = self._compiled[mine] - compiled
            self.seconds[section] += max(time.perf_counter() - start - compiling, 0.0)
