"""From a signal to the end of the demo, everywhere in it: ten seconds at most."""

import os
import signal
import time

import numpy as np
import pytest

from tests.faults.commands import Shell
from tests.faults.watching import Watched

DEMO = "--config=experiments/configs/rankq.py:pointmaze-umaze"
TIMES = 4  # at each place


@pytest.mark.slow
def test_the_demo_stops_within_ten_seconds(tmp_path, monkeypatch):
    # As users compile, and with nothing in the cache at first.
    monkeypatch.setenv("XLA_FLAGS", "")
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path / "cache"))
    shell, folder, random = Shell(tmp_path), tmp_path / "run", np.random.default_rng(0)
    places = {
        # With an empty cache, before the first record: the update is compiled.
        "first round": lambda watched: watched.begun(),
        "compiling": lambda watched: (watched.folder / "owner.json").exists(),
        "offline": lambda watched: watched.begun() and watched.phase() == "offline",
        "evaluating": lambda watched: watched.begun() and watched.evaluating(),
        "online": lambda watched: watched.phase() == "online",
    }
    found = {}
    for place, reached in places.items():
        for again in range(TIMES):
            own = folder if place in ("offline", "evaluating", "online") else tmp_path / f"{place}-{again}"
            rest = {} if own == folder else {"environment": {"JAX_COMPILATION_CACHE_DIR": f"{own}-cache"}}
            command = shell.start(DEMO, f"--workdir={own}", **rest)
            watched = Watched(own, command)
            assert command.until(lambda: reached(watched), 500.0), command.error()  # noqa: B023
            command.until(lambda: False, random.uniform(0.0, 4.0) * (again > 0))
            begin = time.monotonic()
            command.send(signal.SIGTERM)
            result = command.result(60)
            found.setdefault(place, []).append(time.monotonic() - begin)
            assert result.status == 75, result.error
    print({place: np.round(seconds, 2).tolist() for place, seconds in found.items()}, os.getloadavg())
    assert max(map(max, found.values())) < 10.0, found
