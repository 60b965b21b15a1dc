"""Two processes on this machine that train one configuration."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

from rankq_jax import configs
from rankq_jax.errors import InputError
from rankq_jax.training import processes
from tests.experiments.test_commands import ROOT, assert_refused, run

CONFIG = "--config=experiments/configs/{}.py:pointmaze-umaze,smoke"
SMALL = ["--config.dataset_steps=3000", "--config.evaluation_episodes=2", "--config.offline.evaluate_every=0"]
# `rankq train`, which also leaves the final state of the agent of each process.
KEEPING = """
import jax, numpy as np
import sys
from rankq_jax.cli.main import main
from rankq_jax import loop

def kept(plan, setup, layout, *rest, **how):
    (folder,) = [word.partition("=")[2] for word in sys.argv if word.startswith("--workdir=")]
    for event in events(plan, setup, layout, *rest, **how):
        if isinstance(event, loop.IterationEnd) and event.last:
            leaves = jax.device_get(jax.tree.leaves(layout.merge(event.state.agent)))
            np.savez(f"{folder}-{jax.process_index()}.npz", *leaves)
        yield event

events, loop.events = loop.events, kept
main("train")
"""


def started(arguments, devices=1):
    """A running command on as many fake devices."""
    flags = f"{os.environ['XLA_FLAGS']} --xla_force_host_platform_device_count={devices}"
    return subprocess.Popen(
        [sys.executable, "-c", KEEPING, *arguments],
        cwd=ROOT,
        env={**os.environ, "XLA_FLAGS": flags},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finished(*commands):
    """Their standard outputs."""
    outputs = []
    for command in commands:
        try:
            out, error = command.communicate(timeout=120)
        finally:
            command.kill()
        assert command.returncode == 0, error
        outputs.append(out)
    return outputs


def both_started(*arguments):
    """Two running commands that are joined."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    place = [f"--coordinator=localhost:{port}", "--processes=2"]
    return [started([*arguments, *place, f"--process={i}"]) for i in range(2)]


def joined(*arguments):
    """Runs the command in two processes that are joined."""
    finished(*both_started(*arguments))


def without_seconds(line):
    return {name: value for name, value in json.loads(line).items() if name != "seconds"}


def saved(workdir, process):
    with np.load(f"{workdir}-{process}.npz") as leaves:
        return list(leaves.values())


def summary(workdir):
    found = json.loads((workdir / "summary.json").read_text())
    del found["wall_seconds"]
    return found


def test_one_learner_over_two_processes(tmp_path):
    arguments = [CONFIG.format("iql"), "--config.parallel=batch", *SMALL]
    # Several rounds to be stopped after, of several dispatches.
    arguments += ["--config.online.env_steps_per_iteration=200", "--config.online.updates_per_dispatch=2"]
    arguments += ["--config.offline.updates_per_dispatch=5"]
    one, two = tmp_path / "one", tmp_path / "two"
    finished(started([*arguments, f"--workdir={one}"], devices=2))  # makes the dataset too
    joined(*arguments, f"--workdir={two}")
    first, second, alone = saved(two, 0), saved(two, 1), saved(one, 0)
    for mine, others in zip(first, second, strict=True):
        np.testing.assert_array_equal(mine, others)
    # Two devices of one process add their gradients in the same way up to rounding.
    for mine, others in zip(first, alone, strict=True):
        np.testing.assert_allclose(mine, others, rtol=1e-3, atol=1e-5)
    assert summary(two)["updates"] == summary(one)["updates"] > 40
    records = [(path / "evaluations.jsonl").read_text().splitlines() for path in (one, two)]
    assert len(records[0]) == len(records[1])  # process 0 alone has written

    # Both go on from the checkpoint of process 0 at the end of the offline phase.
    steps = sorted((two / "checkpoints").glob("[0-9]*"), key=lambda path: int(path.name))
    assert len(steps) == 2
    shutil.rmtree(steps[-1])
    before, records = summary(two), (two / "metrics.jsonl").read_text().splitlines()
    (two / "summary.json").unlink()
    # Between two dispatches only one of them could want a checkpoint: nobody is asked there.
    both = both_started(*arguments, "--config.checkpoint_minutes=0.0001", f"--workdir={two}")
    # Eight are offline, to which the file is cut.
    while not 9 <= len((two / "metrics.jsonl").read_text().splitlines()) < len(records):
        assert [command.poll() for command in both] == [None, None]
        time.sleep(0.01)
    both[1].send_signal(signal.SIGTERM)  # one of them is asked, both stop
    errors = [command.communicate(timeout=120)[1] for command in both]
    assert [command.returncode for command in both] == [75, 75], errors
    assert all(error.strip().splitlines()[-1].startswith("stopped: ") for error in errors)
    assert not (two / "summary.json").exists()
    joined(*arguments, f"--workdir={two}")
    again = (two / "metrics.jsonl").read_text().splitlines()
    assert len(again) == len(records) and [without_seconds(one) for one in again] == [
        without_seconds(one) for one in records
    ]
    assert summary(two) == before
    for process in range(2):
        for mine, others in zip(saved(two, process), first, strict=True):
            np.testing.assert_array_equal(mine, others)


def test_seeds_over_two_processes(tmp_path):
    arguments = [CONFIG.format("bc"), "--config.seeds=3", "--config.seed=5", *SMALL]
    one, two = tmp_path / "one", tmp_path / "two"
    apart = [[*arguments, f"--workdir={two}", "--processes=2", f"--process={i}"] for i in range(2)]
    outputs = finished(*map(started, apart), started([*arguments, f"--workdir={one}"]))
    assert any("final_success_rate" in out for out in outputs[:2])
    assert summary(two) == summary(one)
    assert summary(two)["seeds"] == [5, 6, 7]
    assert [summary(two / f"process-{i}")["seeds"] for i in range(2)] == [[5, 6], [7]]
    places = [
        [(r["seed"], r["updates"], r["episode"]) for r in map(json.loads, path.read_text().splitlines())]
        for path in (one / "evaluations.jsonl", two / "evaluations.jsonl")
    ]
    assert places[0] == places[1]
    assert (two / "report" / "index.html").exists()
    assert not list(two.glob("unfinished*"))
    assert "finished already" in finished(started(apart[1]))[0]


@pytest.mark.parametrize(
    ("parallel", "given", "message"),
    [
        ("seeds", {"processes": 2}, "--processes and --process: "),
        ("batch", {"coordinator": "localhost:1"}, "--processes and --process: "),
        ("seeds", {"processes": 2, "process": 2}, "--process=2: must be from 0 to .* 1"),
        ("batch", {"distributed": True, "process": 0}, "--distributed: .* leave --coordinator"),
        ("batch", {"processes": 2, "process": 0}, "--coordinator: .* give HOST:PORT"),
        ("seeds", {"distributed": True}, "--distributed: is for config.parallel=batch"),
        ("seeds", {"coordinator": "localhost:1", "processes": 2, "process": 0}, "--coordinator: is for"),
        ("seeds", {"processes": 2, "process": 0}, "config.seeds=1: fewer than 2 processes"),
    ],
)
def test_flags_that_do_not_fit_are_refused(parallel, given, message):
    config = configs.arm("bc", "pointmaze-umaze,smoke")
    config.parallel = parallel
    with pytest.raises(InputError, match=message):
        processes.start(configs.parse(config), True, processes.Joining(**given))


def test_processes_share_a_folder():
    place = ["--config.seeds=2", "--processes=2", "--process=0"]
    assert_refused(run("experiments.train", CONFIG.format("bc"), *place), "--workdir")


def test_members_have_contiguous_blocks_of_the_seeds():
    config = configs.arm("bc", "pointmaze-umaze,smoke")
    config.seed, config.seeds = 3, 8
    blocks = [processes.seeds_of(configs.parse(config), processes.Member(i, 3)) for i in range(3)]
    assert [(block.seed, block.seeds) for block in blocks] == [(3, 3), (6, 3), (9, 2)]
    assert config.seeds == 8
