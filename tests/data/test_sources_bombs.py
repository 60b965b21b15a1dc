"""Small files that declare, or would become, much: refused in one line, at once, before memory is taken."""

import json
import os
import re
import struct
import subprocess
import sys
import tracemalloc
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from rankq_jax.data import sources
from rankq_jax.data.sources import limits
from rankq_jax.data.sources.minari import dataset_folder
from rankq_jax.data.sources.pickled import load_pickle
from rankq_jax.errors import InputError
from tests.data import bombs, recordings

ROOT = Path(__file__).resolve().parents[2]
MOST_MEMORY, MOST_SECONDS = 200e6, 10.0
# One process for all files. Its limit keeps a bomb that goes off from the machine.
READ = """
import json, resource, sys, time
from pathlib import Path
from rankq_jax.data import sources
from rankq_jax.data.sources.trajectories import load_trajectories
from rankq_jax.errors import InputError

def memory(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))

mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (mapped + 3 * 2**30,) * 2)
for name in sys.argv[1:]:
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before, start = memory("VmRSS"), time.monotonic()
    try:
        (load_trajectories(Path(name)) if name.endswith(".pkl") else sources.load(name))
        line = "read"
    except InputError as error:
        line = str(error)
    print(json.dumps([name, line, memory("VmHWM") - before, time.monotonic() - start]), flush=True)
"""


def test_a_bomb_is_refused_before_it_goes_off(tmp_path):
    recorded = dataset_folder(recordings.write_minari("bombs/walks-v0"))
    made = [*bombs.npz(tmp_path), *bombs.hdf5(tmp_path), *bombs.pickles(tmp_path)]
    made += [*bombs.minari(tmp_path, recorded), *bombs.others(tmp_path)]
    if find_spec("pyarrow"):
        made += bombs.parquet(tmp_path)
    command = [sys.executable, "-c", READ, *(str(path) for path, _ in made)]
    ended = subprocess.run(
        command, cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, timeout=200
    )
    found = [json.loads(line) for line in ended.stdout.splitlines()]
    assert len(found) == len(made), (found[-1:], ended.stderr[-2_000:])
    for (path, words), (name, line, memory, seconds) in zip(made, found, strict=True):
        assert (
            name == str(path) and line.startswith(str(path.parent)) and "\n" not in line and len(line) < 600
        ), line
        assert re.search(words, line), line
        assert memory < MOST_MEMORY and seconds < MOST_SECONDS, (name, memory, seconds)


def test_bytes_that_are_not_there_are_not_reserved(tmp_path):
    path = tmp_path / "a.pkl"
    path.write_bytes(b"\x80\x05\x96" + struct.pack("<Q", 2**29) + b"abc.")
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match="field 'data' cannot be read"):
            load_pickle(path)
        assert tracemalloc.get_traced_memory()[1] < 2**24
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("suffix", ["npz", "hdf5"])
def test_a_large_file_with_grounds_is_read(tmp_path, suffix):
    """Numbers that are there are no bomb, however they are compressed."""
    rows, random = 200_000, np.random.default_rng(0)
    arrays = {
        "observations": random.normal(size=(rows, 29)),
        "next_observations": random.normal(size=(rows, 29)),
        "actions": random.uniform(-1, 1, (rows, 8)).astype(np.float32),
        "rewards": np.zeros(rows),
        "terminals": np.zeros(rows, bool),
        "timeouts": np.arange(rows) % 1_000 == 999,
    }
    path = recordings.save(tmp_path / f"large.{suffix}", arrays)
    assert sum(array.nbytes for array in arrays.values()) > limits.SMALL
    assert len(sources.load(str(path)).reward) == rows


def test_a_file_that_is_larger_than_the_free_memory_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "available", lambda: 400)
    for name in ("own.npz", "own.hdf5"):
        path = recordings.save(tmp_path / name, recordings.own())
        with pytest.raises(
            InputError, match=rf"{name}: field '\w+' declares .*, but 400 bytes of memory are"
        ):
            sources.load(str(path))


@pytest.mark.parametrize(
    ("files", "free"),
    [
        ({"meminfo": "MemTotal: 9 kB\nMemAvailable:   3 kB\n"}, 3 * 1024),
        ({"meminfo": "MemAvailable: 3 kB\n", "memory.max": "5000", "memory.current": "4000"}, 1_000),
        ({"meminfo": "MemAvailable: 3 kB\n", "memory.max": "max", "memory.current": "4000"}, 3 * 1024),
        ({"meminfo": "MemAvailable: 3 kB\n", "memory.max": "5", "memory.current": "9"}, 0),
    ],
)
def test_the_free_memory_is_that_of_the_machine_and_of_the_group(tmp_path, monkeypatch, files, free):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(limits, "_GROUP", tmp_path)
    monkeypatch.setattr(limits, "_MEMORY", tmp_path / "meminfo")
    assert limits.available() == free
