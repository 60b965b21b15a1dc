"""Pendulum-v1 by its name, from data of one's own through every command; and a run on a dataset alone."""

import json

import gymnasium
import numpy as np
import pytest

import rankq_jax as rq
from tests.faults.comparison import about, leaves, newest, rows
from tests.faults.conftest import one_line

# 1200 steps in rounds of 300, where an episode has 200: every other checkpoint lies in the middle of one.
FLAGS = (
    "--config=iql:gym:Pendulum-v1,smoke", "--config.evaluation_episodes=2", "--config.online.env_steps=1200",
    "--config.online.env_steps_per_iteration=300", "--config.online.checkpoint_every=1",
    "--config.online.evaluate_every=0",
)  # fmt: skip
# Waits to be killed in the last round.
PAUSE = """
import time
from rankq_jax.loop import iteration

def dispatch_updates(state, *rest, inner=iteration.dispatch_updates):
    while state.progress.env_steps == 1_200:
        time.sleep(0.1)
    return inner(state, *rest)

iteration.dispatch_updates = dispatch_updates
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Two episodes of a swing of one's own, by the names of D4RL, with actions in [-1, 1]."""
    names = ("observations", "actions", "rewards", "terminals", "timeouts", "next_observations")
    env, random, columns = gymnasium.make("Pendulum-v1"), np.random.default_rng(0), {n: [] for n in names}
    for episode in range(2):
        seen, _ = env.reset(seed=episode)
        for _ in range(200):
            action = np.clip(0.5 * seen[2:] + random.normal(0, 0.3, 1), -1, 1).astype(np.float32)
            following, reward, terminal, timeout, _ = env.step(2 * action)
            for name, value in zip(names, (seen, action, reward, terminal, timeout, following), strict=True):
                columns[name].append(value)
            seen = following
    path = tmp_path_factory.mktemp("own") / "pendulum.npz"
    np.savez(path, **{name: np.array(values) for name, values in columns.items()})
    return path


@pytest.fixture(scope="module")
def run(nursery, data, tmp_path_factory):
    """A run that was killed in the middle of an episode, and then finished: its folder, what its newest
    checkpoint held when it was killed, and how the second command ended."""
    folder = tmp_path_factory.mktemp("pendulum") / "run"
    pause = folder.with_name("pause.py")
    pause.write_text(PAUSE)
    words = (*FLAGS, f"--config.dataset={data}", f"--workdir={folder}")
    command = nursery.start(*words, prelude=pause)

    def saved():
        try:
            return any(about(path)["notes"]["env_steps"] == 900 for path in finished(folder))
        except FileNotFoundError:  # an older one that was just deleted
            return False

    assert command.until(saved, 300), command.error()
    command.kill()
    assert not (folder / "summary.json").exists()
    before = leaves(newest(folder))
    before |= rows(newest(folder), before["inserted"])
    result = nursery.start(*words).result()
    assert result.status == 0, result.error
    return folder, before, result


def finished(folder):
    place = folder / "checkpoints"
    return [path for path in place.glob("[0-9]*") if path.name.isdigit()] if place.exists() else []


def test_running_episodes_are_dropped_and_nothing_else(run):
    folder, before, result = run
    assert before["recorder['length']"].tolist() == [100] and before["inserted"].tolist() == [800]
    (line,) = [line for line in result.out.splitlines() if "cannot be saved" in line]
    assert "'gym:Pendulum-v1' cannot be saved; their running episodes begin again" in line
    assert json.loads((folder / "config.json").read_text())["exact_resume"] is False
    summary = json.loads((folder / "summary.json").read_text())
    assert (summary["exact_resume"], summary["env_steps"], summary["updates"]) == (False, 1_200, 40 + 24)
    assert -2_000 < summary["final_return"][0] < 0 and summary["final_episode_length"] == [200.0]
    after = leaves(newest(folder))
    # 100 of the last 300 steps are in the episode that is running at the end.
    assert after["inserted"].tolist() == [1_000] and after["recorder['length']"].tolist() == [100]
    assert after["env['episode']"] == before["env['episode']"] + 2
    kept = rows(newest(folder), after["inserted"])
    assert len(kept) > 5
    for name, value in kept.items():
        np.testing.assert_array_equal(value[:800], before[name])


def test_further_commands_know_the_environment(run, nursery, tmp_path):
    folder, _, _ = run
    result = nursery.start(f"--workdir={folder}", "--episodes=2", module="experiments.evaluate").result()
    assert result.status == 0 and "return -" in result.out, result.error
    out = tmp_path / "policy.npz"
    result = nursery.start(f"--workdir={folder}", f"--out={out}", module="experiments.export_policy").result()
    assert result.status == 0, result.error
    assert np.abs(rq.load_policy(out)(np.zeros((3, 3)))).max() <= 1.0
    page = nursery.start(f"--out={tmp_path / 'page'}", str(folder), module="experiments.report").result()
    assert page.status == 0 and "gym:Pendulum-v1" in (tmp_path / "page" / "index.html").read_text()


def test_a_dataset_alone_is_trained_on_offline(nursery, data, tmp_path):
    folder, words = tmp_path / "run", (f"--config=bc:data:{data},smoke", f"--workdir={tmp_path / 'run'}")
    one_line(nursery.start(*words, "--config.online.env_steps=600").result(), 2, "is a dataset")
    result = nursery.start(*words).result()
    assert result.status == 0, result.error
    summary = json.loads((folder / "summary.json").read_text())
    assert (summary["updates"], summary["env_steps"], summary["final_return"]) == (40, 0, [None])
    refused = nursery.start(f"--workdir={folder}", module="experiments.evaluate").result()
    one_line(refused, 2, "is a dataset without an environment to evaluate in")
    out = tmp_path / "policy.npz"
    result = nursery.start(f"--workdir={folder}", f"--out={out}", module="experiments.export_policy").result()
    assert result.status == 0 and rq.load_policy(out)(np.zeros((2, 3))).shape == (2, 1), result.error
