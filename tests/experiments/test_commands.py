"""The commands as a user types them: exit status, one line on stderr, nothing on disk damaged."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rankq_jax import configs
from rankq_jax.training import train

ROOT = Path(__file__).resolve().parents[2]
CONFIG = "--config=experiments/configs/rankq.py:pointmaze-umaze,smoke"


def command(module, *arguments):
    return [sys.executable, "-m", module, *map(str, arguments)]


def run(module, *arguments):
    return subprocess.run(command(module, *arguments), cwd=ROOT, capture_output=True, text=True, timeout=300)


def assert_refused(result, *words, status=2):
    assert result.returncode == status, result.stderr
    line = result.stderr.strip().splitlines()[-1]
    assert line.startswith("error: "), result.stderr
    assert "Traceback" not in result.stderr
    for word in words:
        assert word in line, line


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a finished run."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    train.train(configs.parse(configs.arm("rankq", "pointmaze-umaze,smoke")), folder)
    return folder


def contents(folder):
    return {p: p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--config=experiments/configs/rankq.py:pointmaze-umase"], ["pointmaze-umase", "'pointmaze-umaze'"]),
        (["--config=experiments/configs/rankk.py"], ["experiments/configs/rankk.py"]),
        ([CONFIG, "--config.sed=1"], ["config.sed", "Did you mean", "seed"]),
        (
            [CONFIG, "--config.seeds=1", "--config.rankq.sigm=1"],
            ["config.rankq.sigm.", "--config.rankq.sigma?"],
        ),
        ([CONFIG, "--config.batch_size=many"], ["batch_size", "many"]),
        ([CONFIG, "--workdri=x"], ["workdri", "Did you mean '--workdir'"]),
        ([CONFIG, "extra"], ["unexpected argument 'extra'"]),
        ([CONFIG, "--config.algorithm=rnkq"], ["rnkq", "Did you mean 'rankq'"]),
        ([CONFIG, "--config.dataset=no/such-v0"], ["no/such-v0", "no such dataset"]),
        ([], ["--config"]),
    ],
)
def test_wrong_input_of_train(arguments, words, tmp_path):
    workdir = [] if any("workdri" in a for a in arguments) else [f"--workdir={tmp_path / 'run'}"]
    assert_refused(run("experiments.train", *arguments, *workdir), *words)


def test_a_workdir_of_another_configuration(finished):
    before = contents(finished)
    result = run("experiments.train", CONFIG, "--config.discount=0.9", f"--workdir={finished}")
    assert_refused(result, "config.json", "'discount'", "0.99", "0.9", "choose another --workdir")
    assert contents(finished) == before


def test_a_workdir_with_other_files(tmp_path):
    (tmp_path / "thesis.tex").write_text("precious")
    assert_refused(run("experiments.train", CONFIG, f"--workdir={tmp_path}"), "something else")
    assert contents(tmp_path) == {tmp_path / "thesis.tex": b"precious"}


# The command, with networks that are spoiled: no field takes a value that makes an update infinite.
SPOILED = """
import runpy
import jax, jax.numpy as jnp
from rankq_jax.loop import iteration

def spoiled(state, *rest, dispatched=iteration.dispatch_updates):
    spoil = lambda x: x * jnp.nan if jnp.issubdtype(x.dtype, jnp.floating) else x
    return dispatched(state._replace(agent=jax.tree.map(spoil, state.agent)), *rest)

iteration.dispatch_updates = spoiled
runpy.run_module("experiments.train", run_name="__main__", alter_sys=True)
"""


def test_numbers_that_go_bad(tmp_path):
    words = [sys.executable, "-c", SPOILED, CONFIG, f"--workdir={tmp_path / 'r'}"]
    result = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert_refused(result, "metric", "at update", "of seed 0", status=3)


def test_an_interruption_and_the_same_command_again(finished, tmp_path):
    folder = tmp_path / "run"
    arguments = [CONFIG, "--config.offline.checkpoint_every=1", f"--workdir={folder}"]
    process = subprocess.Popen(
        command("experiments.train", *arguments),
        cwd=ROOT,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 200
    while not list(folder.glob("checkpoints/*/commit_success.txt")):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=100)
    assert process.returncode == 75
    assert error.strip().splitlines()[-1].startswith("stopped: ") and "Traceback" not in error
    assert not (folder / "summary.json").exists()
    again = run("experiments.train", *arguments)
    assert again.returncode == 0, again.stderr
    # Apart from when checkpoints were due, the other run had the same configuration.
    for name in ("evaluations.jsonl", "metrics.jsonl"):
        ours = [json.loads(line) for line in (folder / name).read_text().splitlines()]
        theirs = [json.loads(line) for line in (finished / name).read_text().splitlines()]
        assert len(ours) == len(theirs)
        for mine, other in zip(ours, theirs, strict=True):
            assert mine.pop("phase") == other.pop("phase") and mine.keys() == other.keys()
            for field in mine.keys() - {"seconds"}:
                np.testing.assert_allclose(mine[field], other[field], rtol=1e-3, atol=1e-4, err_msg=field)
    done = run("experiments.train", *arguments)
    assert done.returncode == 0 and "finished already" in done.stdout


def test_make_dataset_evaluate_report_and_table(finished, tmp_path):
    made = run("experiments.make_dataset", "--task=pointmaze-umaze", "--steps=1500", "--seed=4")
    assert made.returncode == 0, made.stderr
    assert "pointmaze-umaze/waypoints-1500-seed4-v0" in made.stdout
    again = run("experiments.make_dataset", "--task=pointmaze-umaze", "--steps=1500", "--seed=4")
    assert again.returncode == 0 and again.stderr == ""
    assert "waypoints-1500-seed4-v0: exists already" in again.stdout
    other = run("experiments.evaluate", f"--workdir={finished}", "--episodes=2", "--task=pointmaze-medium")
    assert other.returncode == 0 and "episode length" in other.stdout
    refused = run("experiments.evaluate", f"--workdir={finished}", "--task=hopper-medium")
    assert_refused(refused, "--task=hopper-medium: its observations are float32[11]", "are float32[4]")
    film = tmp_path / "film.gif"
    evaluated = run("experiments.evaluate", f"--workdir={finished}", "--episodes=1", f"--video={film}")
    assert evaluated.returncode == 0 and "seed 0: success rate" in evaluated.stdout
    assert f"video: {film}, of seed 0" in evaluated.stdout
    with Image.open(film) as pictures:
        assert pictures.n_frames > 10 and pictures.size == (240, 180)
    reported = run("experiments.report", f"--out={tmp_path / 'report'}", finished, finished)
    assert reported.returncode == 0, reported.stderr
    assert (tmp_path / "report" / "index.html").read_text().count("data:image/png") == 5
    table = tmp_path / "table.md"
    flags = [f"--out={table}", "--command=make it", "--note=one seed", "--note=a toy"]
    written = run("experiments.table", *flags, finished)
    assert written.returncode == 0, written.stderr
    text = table.read_text()
    assert "| rankq |" in text and "```\nmake it\n```" in text and "one seed\n\na toy\n" in text
    assert run("experiments.table", *flags, finished).returncode == 0
    assert table.read_text() == text  # drawn again, the intervals are the same
    refused = run("experiments.table", *flags, finished, finished)
    assert_refused(refused, str(finished), "given twice")
    assert table.read_text() == text


@pytest.mark.parametrize(
    ("module", "arguments", "words"),
    [
        ("experiments.make_dataset", ["--task=pointmase-umaze"], ["Did you mean 'pointmaze-umaze'"]),
        ("experiments.make_dataset", ["--task=pointmaze-umaze", "--steps=0"], ["--steps=0"]),
        ("experiments.evaluate", ["--workdir=nowhere"], ["nowhere", "config.json"]),
        ("experiments.report", ["--out=x"], ["--workdir"]),
        ("experiments.report", ["--out=x", "nowhere"], ["nowhere", "config.json"]),
        ("experiments.table", ["--out=x"], ["--workdir"]),
        ("experiments.table", ["--out=x", "nowhere"], ["nowhere", "config.json"]),
        ("launch.local", ["nothing.py", "--out=x"], ["nothing.py", "cannot be read"]),
        (
            "launch.local",
            ["launch/sweeps/pointmaze.py", "--out=x", "--budget=big"],
            ["'big'", "cores, paper"],
        ),
        ("launch.results", ["nothing.py", "--out=x", "--table=x"], ["nothing.py", "cannot be read"]),
    ],
)
def test_wrong_input_of_the_other_commands(module, arguments, words):
    assert_refused(run(module, *arguments), *words)
    assert not os.path.exists(ROOT / "x")
