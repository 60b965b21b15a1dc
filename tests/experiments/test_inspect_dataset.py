"""The inspection as a user types it, on walks whose numbers are known."""

import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from rankq_jax import tasks
from rankq_jax.cli import inspection
from rankq_jax.data.sources.minari import dataset_folder
from rankq_jax.errors import InputError
from rankq_jax.tasks import training_data
from rankq_jax.tasks.datasets import make_dataset

ROOT = Path(__file__).resolve().parents[2]
TASK = "pointmaze-umaze"
PNG = b"\x89PNG"


def run(*arguments):
    command = [sys.executable, "-m", "experiments.inspect_dataset", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)


def lines(result):
    """`{first column: the rest of the line}`, with single spaces, of everything printed."""
    parts = [line.split("  ", 1) for line in result.stdout.splitlines()]
    return {part[0]: " ".join(part[1].split()) for part in parts if len(part) == 2}


def verdicts(result):
    """`{rule: verdict}` of the printed table."""
    words = [line.split() for line in result.stdout.splitlines()]
    return {w[1]: w[0] for w in words if len(w) > 2 and w[0] in ("ok", "broken", "unusual", "-")}


def walk(path, wall=False):
    """Seven steps in the U maze: four along the bottom into the goal, three along the top."""
    bottom, top = np.array([-0.30, -0.38, -0.46, -0.54, -0.62]), np.array([0.0, 0.08, 0.16, 0.24])
    places = [(bottom, 0.0 if wall else -1.0), (top, 1.0)]  # (-0.3, 0) is a wall
    states = [np.stack([x, np.full_like(x, y), 0 * x, 0 * x], axis=1) for x, y in places]
    np.savez(
        path,
        observations=np.concatenate([s[:-1] for s in states]).astype(np.float32),
        next_observations=np.concatenate([s[1:] for s in states]).astype(np.float32),
        actions=np.float32([[1, 0]] * 4 + [[-1, 0], [0.5, 0], [0.5, 0]]),
        rewards=np.zeros(7),
        terminals=np.zeros(7, bool),
        timeouts=np.isin(np.arange(7), [3, 6]),
    )
    return path


def test_the_numbers_of_two_walks(tmp_path):
    dataset = walk(tmp_path / "walks.npz")
    result = run(
        f"--task={TASK}", f"--dataset={dataset}", "--discount=0.5", "--bins=2", f"--reference={dataset}",
        "--best_return=2", f"--out={tmp_path / 'page'}", f"--picture={tmp_path / 'map.png'}",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    found = lines(result)
    assert found["recorded episodes"] == "2, 7 transitions"
    assert found["recorded lengths"] == "3 to 4, median 3.5"
    assert found["labeled trajectories"] == "2, 7 transitions"
    # (-0.62, -1) is the first place within 0.45 m of the goal (-1, -1)
    assert found["recorded episodes that reach the goal"] == "50 % (1 of 2)"
    assert found["transitions of successful trajectories"] == "57.1 % (4 of 7)"
    assert found["transitions that are a success"] == "14.3 % (1 of 7)"
    # rewards -1, -1, -1, 0 and a discount of 0.5: -1.75, -1.5, -1, 0; failing for ever is -2
    assert found["return-to-go, success"] == "-1.75 to 0, median -1.25"
    assert found["return-to-go, failure"] == "-2 to -2, median -2"
    # five of seven in the first dimension, none in the second
    assert found["saturated actions (|a| > 0.999)"] == "35.71 %, at most 71.43 % in dimension 0"
    # sorted: -1, 0.5, 0.5, 1, 1, 1, 1; six hundredths of the way from the first to the second one
    assert found["action quantile 1 %"] == "-0.91, 0"
    assert found["action quantile 50 %"] == found["action quantile 99 %"] == "1, 0"
    assert found["visited free cells"] == "3 of 7"
    assert found["trajectory quality (TQ)"].startswith("0.2500 ")  # 0.5 of 2
    # halves: the first walk is one pair, the second two, by the sign of the action
    assert found["distinct state-action pairs (2 bins)"] == "3, 0.4286 of the transitions"
    assert found["state-action coverage (SACo)"].startswith("1.0000 of the 3 pairs")
    assert set(verdicts(result).values()) == {"ok", "-"}
    text = (tmp_path / "page" / "index.html").read_text()
    assert text.count("data:image/png") == 2 and "terminals_are_successes" in text and "http" not in text
    assert (tmp_path / "map.png").read_bytes().startswith(PNG)


def test_a_broken_rule_is_the_last_line_and_the_status(tmp_path):
    name = make_dataset(tasks.find(TASK), 1_500, 11)
    folder = dataset_folder("spoiled/inspected-v0")
    shutil.copytree(dataset_folder(name), folder)
    with h5py.File(folder / "data" / "main_data.hdf5", "a") as file:
        # two metres to the right or left, over the wall, in the middle of an episode
        place = file["episode_3"]["observations"]["observation"]
        place[17, 0] = 1.0 if place[17, 0] < 0 else -1.0
        place[17, 1] = 1.0
    result = run(f"--task={TASK}", "--dataset=spoiled/inspected-v0", "--random_episodes=3", "--seed=1")
    assert result.returncode == 2
    last = result.stderr.strip().splitlines()[-1]
    # step 16 leads to the place where step 17 begins
    assert last.startswith("error: ") and "at episode 3, index 16 (rule 'jump'); " in last
    assert str(folder) in last and "Traceback" not in result.stderr
    assert verdicts(result)["jump"] == "broken" and verdicts(result)["inside_maze"] == "ok"
    assert lines(result)["recorded episodes"] == "5, 1500 transitions"
    assert "of 3 episodes succeed" in result.stdout


def test_shapes_of_another_task_end_the_inspection(tmp_path):
    dataset = walk(tmp_path / "walks.npz")
    result = run("--task=antmaze-medium-play", f"--dataset={dataset}", f"--out={tmp_path}")
    assert result.returncode == 2 and "(rule 'shapes')" in result.stderr
    referred = inspection.judge_recordings(list(training_data.recordings(tasks.find(TASK), str(dataset))))
    assert inspection.unreadable(referred) == ""
    assert "4 values per step" in result.stderr and "recorded episodes" not in result.stdout
    assert "(rule &#x27;shapes&#x27;)" in (tmp_path / "index.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([f"--task={TASK}", "--dataset=nowhere/at-all-v0", "--picture=x.pdf"], ["--picture=x.pdf", ".png"]),
        ([f"--task={TASK}", "--dataset=x", "--discount=1"], ["--discount=1:", "in (0, 1)"]),
        ([f"--task={TASK}", "--dataset=x", "--reading=taks"], ["taks", "Did you mean 'task'"]),
        ([f"--task={TASK}", "--dataset=x", "--reward_scale=nan"], ["--reward-scale=nan", "finite"]),
    ],
)
def test_wrong_flags(arguments, words):
    result = run(*arguments)
    assert result.returncode == 2 and "Traceback" not in result.stderr
    assert all(word in result.stderr for word in words), result.stderr


def described(task, dataset, reading="task", **how):
    sources = list(training_data.recordings(task, str(dataset)))
    data = inspection.label_sources(task, sources, reading, task.transform, 0.5)
    asked = inspection.Numbers(2, None, how.get("minimal"), how.get("best"))
    return sources, data, dict(inspection.numbers(task, inspection.together(sources), data, asked))


def test_the_best_return_exceeds_the_minimal_one(tmp_path):
    with pytest.raises(InputError, match="--best-return=0 must exceed --minimal-return=0"):
        described(tasks.find(TASK), walk(tmp_path / "walks.npz"), best=0.0)


def test_sources_are_judged_one_by_one_and_described_together(tmp_path):
    good, bad = walk(tmp_path / "good.npz"), walk(tmp_path / "bad.npz", wall=True)
    sources, data, numbers = described(tasks.find(TASK), f"{good},{bad}")
    found = [(one.source, one.rule.name) for one in inspection.judge_recordings(sources) if one.message]
    assert found == [(str(bad), "inside_maze")]
    assert numbers["recorded episodes"] == "4, 14 transitions"
    assert numbers["recorded episodes that reach the goal"] == "25 % (1 of 4)"
    assert not [one for one in inspection.judge_labels("x", data) if one.message]


def test_a_dense_task_is_judged_by_its_returns(tmp_path):
    found = tasks.find(TASK)
    dense = found._replace(success=None, transform=found.transform._replace(failure=None))
    *_, numbers = described(dense, walk(tmp_path / "walks.npz"))
    assert numbers["raw return of an episode"] == "0 to 0, median 0, mean 0"
    assert "needs --minimal-return" in numbers["trajectory quality (TQ)"]
    _, data, numbers = described(dense, walk(tmp_path / "walks.npz"), minimal=-3.0, best=1.0)
    assert numbers["trajectory quality (TQ)"].startswith("0.7500 ")
    assert all(one.finding.ok is None for one in inspection.judge_labels("x", data))


def test_data_that_a_reading_leaves_nothing_of(tmp_path):
    path = walk(tmp_path / "walks.npz")
    with np.load(path) as arrays:
        inside = {name: arrays[name][:4] for name in arrays.files}
    inside["observations"][:] = inside["next_observations"][:] = [-1.0, -1.0, 0.0, 0.0]  # on the goal
    np.savez(path, **inside)
    _, data, numbers = described(tasks.find(TASK), path)
    assert numbers["labeled trajectories"] == "0, 0 transitions"
    assert [one.rule.name for one in inspection.judge_labels("x", data) if one.message] == ["outcomes"]


def test_random_actions_are_judged_and_repeat():
    task = tasks.find(TASK)
    assert inspection.random_policy(task, 3, 5) == inspection.random_policy(task, 3, 5)
    always = task._replace(environment=lambda rows, threads: easy(task.environment(rows, threads)))
    judged = inspection.judge_policies(task, inspection.random_policy(always, 2, 0))
    assert judged[0].finding.measured.startswith("2 of 2 episodes succeed") and judged[0].message


def easy(env):
    """The same environments, where every step is a success that ends the episode."""

    def step(state, action, active):
        state, result = env.step(state, action, active)
        everywhere = np.ones_like(result.success)
        return state, result._replace(success=everywhere, terminated=everywhere)

    return env._replace(step=step)
