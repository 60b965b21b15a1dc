"""A maker of a dataset that is killed at any moment: its command, given again, leaves only the dataset."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Forks from a process that has imported what is needed, and has started nothing.
KILLS = """
import json, os, random, signal, sys, time
from pathlib import Path
import numpy as np
from rankq_jax import files
from rankq_jax.data.generate import store
from rankq_jax.types import Episodes

root, kills, draws = Path(os.environ["MINARI_DATASETS_PATH"]), int(sys.argv[1]), random.Random(0)
flag = np.arange(4_000) % 20 == 19
walk = np.random.default_rng(0).normal(size=(4_001, 2))
recorded = Episodes(walk[:-1], walk[1:, :1], walk[1:, 0], walk[1:], ~flag & flag, flag, ~flag & flag,
                    np.arange(4_000) // 20, {})

def make(seconds):
    start, pid = time.monotonic(), os.fork()
    if pid == 0:
        store.write_minari(recorded, "killed/walks-v0", None, author={"me"}, description="x")
        os._exit(0)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(pid, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), time.monotonic() - start

def found():
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))

_, usual = make(None)
whole = found()
for _ in range(kills):
    files.shutil.rmtree(root / "killed", ignore_errors=True)
    status, _ = make(draws.uniform(0.0, 1.1 * usual))
    left = [name for name in found() if name.startswith(".") and "/" not in name]
    partial = (root / "killed" / "walks-v0").exists() and found() != sorted({*whole, *found()})
    again, _ = make(None)
    print(json.dumps([status, len(left), partial, again, found() == whole]), flush=True)
"""


@pytest.mark.parametrize("kills", [3, pytest.param(24, marks=pytest.mark.slow)])
def test_kills_at_random_moments(tmp_path, kills):
    ended = subprocess.run(
        [sys.executable, "-c", KILLS, str(kills)],
        cwd=ROOT,
        env={**os.environ, "MINARI_DATASETS_PATH": str(tmp_path), "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    found = [json.loads(line) for line in ended.stdout.splitlines()]
    assert len(found) == kills, ended.stderr[-2_000:]
    assert any(status == -9 and left for status, left, *_ in found), found
    for status, left, partial, again, same in found:
        assert status in (0, -9) and left <= 1 and not partial, found
        assert again == 0 and same, (found, ended.stderr[-2_000:])
