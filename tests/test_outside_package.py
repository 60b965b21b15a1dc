"""A package outside the repository goes through every command, without a line changed here."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
IMPORTS = ("--import=own_agent", "--import=own_environment")
CONFIG = "--config=margin_q:own-line,smoke"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Somebody's folder with two modules of their own, far from the repository."""
    place = tmp_path_factory.mktemp("theirs")
    for name in ("own_agent.py", "own_environment.py"):
        shutil.copy(ROOT / "examples" / name, place / name)
    return place


def command(folder, *words):
    variables = {**os.environ, "MINARI_DATASETS_PATH": str(folder / "minari")}
    line = [sys.executable, "-W", "ignore", "-m", "rankq_jax.cli", *map(str, words)]
    pipe = subprocess.PIPE
    return subprocess.Popen(line, cwd=folder, env=variables, stdout=pipe, stderr=pipe, text=True)


def done(folder, *words):
    process = command(folder, *words)
    out, error = process.communicate(timeout=600)
    assert process.returncode == 0, error
    return out


@pytest.fixture(scope="module")
def run(folder):
    """A run of theirs that was killed once and then finished."""
    process = command(folder, "train", *IMPORTS, CONFIG, "--workdir=run", "--config.checkpoint_minutes=0")
    end = time.monotonic() + 300
    while not list((folder / "run" / "checkpoints").glob("[0-9]*")):
        assert process.poll() is None and time.monotonic() < end, process.stderr.read()
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (folder / "run" / "summary.json").exists()
    done(folder, "train", *IMPORTS, CONFIG, "--workdir=run", "--config.checkpoint_minutes=0")
    return folder / "run"


def test_processes_that_make_their_dataset_know_their_task(folder):
    text = (folder / "own_environment.py").read_text()
    shards = text.replace('"own-line"', '"own-shards"').replace("2_000, 1_000_000", "2_000, 1_000")
    assert shards.count("own-shards") == text.count('"own-line"') > 0 and "2_000, 1_000," in shards
    (folder / "own_shards.py").write_text(shards)
    words = ("--import=own_shards", "--task=own-shards", "--steps=2000", "--processes=2")
    assert "own-shards/" in done(folder, "dataset", "make", *words)
    again = done(folder, "dataset", "make", *words)
    assert "exists already, made with these settings" in again


def test_it_trains_and_goes_on_after_a_kill(run):
    summary = json.loads((run / "summary.json").read_text())
    assert (summary["algorithm"], summary["task"], summary["updates"]) == ("margin_q", "own-line", 76)
    assert json.loads((run / "config.json").read_text())["imports"] == ["own_agent", "own_environment"]
    assert "critic/margin/broken" in (run / "metrics.jsonl").read_text()


def test_other_commands_find_it_by_themselves(run, folder):
    assert "success rate" in done(folder, "evaluate", "--workdir=run", "--episodes=2")
    done(folder, "export", "--workdir=run", "--out=policy.npz")
    code = "import numpy as np, rankq_jax as rq; print(rq.load_policy('policy.npz')(np.zeros((3, 2))).shape)"
    shown = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)
    assert shown.stdout == "(3, 1)\n", shown.stderr
    done(folder, "report", "--out=page", "run")
    assert "margin_q" in (folder / "page" / "index.html").read_text()


def test_a_sweep_trains_it(run, folder):
    (folder / "sweep.py").write_text(
        "from rankq_jax.launch import product\n"
        "SWEEP = product(('margin_q', 'margin_q_wide'), tasks=('own-line,smoke',))\n"
    )
    done(folder, "sweep", "local", "sweep.py", "--out=swept", *IMPORTS)
    summaries = [json.loads(path.read_text()) for path in sorted((folder / "swept").glob("*/summary.json"))]
    assert [summary["algorithm"] for summary in summaries] == ["margin_q", "margin_q"]
    configs = [
        json.loads(path.read_text())["config"] for path in sorted((folder / "swept").glob("*/config.json"))
    ]
    assert [config["margin_q"]["margin"] for config in configs] == [1.0, 5.0]


def test_a_run_notices_that_their_code_has_changed(run, folder):
    shutil.copytree(run, folder / "again")
    (folder / "again" / "summary.json").unlink()  # so that something is left to do
    own = folder / "own_agent.py"
    text = own.read_text()
    own.write_text(text + "\n# another line\n")
    try:
        process = command(
            folder, "train", *IMPORTS, CONFIG, "--workdir=again", "--config.checkpoint_minutes=0"
        )
        _, error = process.communicate(timeout=600)
    finally:
        own.write_text(text)
    assert process.returncode == 2 and "source is" in error.strip().splitlines()[-1], error
