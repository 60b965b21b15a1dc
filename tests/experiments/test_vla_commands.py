"""The commands of docs/vla.md at `smoke`, and what they refuse: one line, status 2, nothing damaged."""

import json
import re
import shutil
import signal
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rankq_jax import tasks
from rankq_jax.cli import command as cli
from rankq_jax.cli.main import execute
from rankq_jax.data.generate import store
from rankq_jax.envs.tabletop import demonstrations
from rankq_jax.networks.vla.presets import PRESETS
from rankq_jax.networks.vla.sizes import Stage
from rankq_jax.tasks import tabletop
from rankq_jax.tasks.datasets import default_steps
from rankq_jax.training import stopping
from rankq_jax.types import Episodes

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "vla.md"
TASK = "widowx-cube-stacking-source"
# What a preset has, in sizes that compile in seconds.
TINY = {
    "stem": (Stage(16, 16, 8),), "width": 8, "mlp": 8, "depth": 1, "head_dim": 4, "expert_width": 8,
    "expert_mlp": 8, "token_readout": 2, "flat_readout": 6,
}  # fmt: skip
LENGTHS = [
    "--config.dataset_steps=20", "--config.evaluation_episodes=1", "--config.offline.updates=2",
    "--config.offline.updates_per_iteration=2", "--config.offline.updates_per_dispatch=2",
]  # fmt: skip


def commands():
    """The four commands of the document, as words."""
    section = DOCUMENT.read_text().partition("## From nothing to a video\n")[2]
    block = re.search(r"```\n(.*?)```", section, re.DOTALL)[1]
    return [line.removeprefix("rankq ").split() for line in block.splitlines()]


def shortened(words):
    """The same command with smaller numbers."""
    small = {"--steps": 20, "--processes": 1, "--episodes": 1}
    found = [f"{name}={small[name]}" if (name := word.partition("=")[0]) in small else word for word in words]
    if words[0] == "train":
        found = [f"{word},smoke" if word.startswith("--config=") else word for word in found] + LENGTHS
    return found


def contents(folder):
    return {path: path.stat().st_mtime_ns for path in sorted(Path(folder).rglob("*"))}


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """A folder to work in, small networks, two tables for the expert, and signals as they were."""
    before = {number: signal.getsignal(number) for number in stopping.SIGNALS}
    shown, hook = warnings.showwarning, sys.unraisablehook
    folder = tmp_path_factory.mktemp("vla")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(demonstrations, "ROWS", 2)
        for name in ("vla-xs", "vla-s", "vla-state"):
            patch.setitem(PRESETS, name, PRESETS[name]._replace(**TINY))
        yield folder
    for number, handler in before.items():
        signal.signal(number, handler)
    warnings.showwarning, sys.unraisablehook = shown, hook


@pytest.fixture(scope="module")
def done(here):
    """Where the four commands have run."""
    (here / "runs").mkdir(exist_ok=True)
    for words in commands():
        assert execute(shortened(words)) in (0, None)
    return here


def test_the_commands_of_the_document_lead_to_a_video(done, capsys):
    made, _, film, elsewhere = commands()
    assert [words[0] for words in commands()] == ["dataset", "train", "evaluate", "evaluate"]
    assert f"--steps={default_steps(tasks.find(TASK))}" in made  # which training would have made by itself
    summary = json.loads((done / "runs/vla/summary.json").read_text())
    assert summary["updates"] == 2 and summary["dataset"] == f"{TASK}/expert-20-seed0-v0"
    (video,) = [word.partition("=")[2] for word in film if word.startswith("--video")]
    with Image.open(done / video) as frames:  # one for each step, two a second; alike ones are one
        shown = [(frames.seek(i), frames.info["duration"])[1] for i in range(frames.n_frames)]
        assert len(shown) > 1 and sum(shown) == 25 * 500 and frames.size == (256, 192)
    execute(shortened(elsewhere))
    told = capsys.readouterr().out
    at_end = r"success at end rate [01]\.000 \(1 episodes\)"
    assert re.search(rf"success rate [01]\.000.*time to finish \d+\.\d+, {at_end}", told), told


class Ended(Exception):
    """The process would have."""


@pytest.fixture
def refused(here, monkeypatch, capsys):
    """The line that a command is refused with."""

    def end(message, status):
        print(message, file=sys.stderr)
        raise Ended(status)

    monkeypatch.setattr(stopping, "end", end)

    def run(words):
        capsys.readouterr()
        with pytest.raises(Ended) as ended:
            cli.run(execute, words)
        error = capsys.readouterr().err
        assert ended.value.args == (2,) and error.count("\n") == 1 and error.startswith("error: "), error
        return error

    return run


def recorded(name, world=None, **changes):
    """A dataset of two episodes of three control steps, some of whose arrays are others."""
    rows, random = 6, np.random.default_rng(0)
    observation = {
        "image": random.integers(0, 256, (rows + 1, 48, 64, 3), np.uint8),
        "instruction": np.tile(np.array([6, 2, 7] + [0] * 9, np.int32), (rows + 1, 1)),
        "proprio": random.normal(size=(rows + 1, 7)).astype(np.float32),
    } | {key: value for key, value in changes.items() if key != "action"}
    last = np.arange(rows) % 3 == 2
    episodes = Episodes(
        observation={key: value[:-1] for key, value in observation.items()},
        action=changes.get("action", np.zeros((rows, 7), np.float32)),
        reward=last.astype(float),
        next_observation={key: value[1:] for key, value in observation.items()},
        terminated=np.zeros(rows, bool),
        truncated=last,
        success=last,
        episode=np.arange(rows) // 3,
        info={},
    )
    told = {} if world is None else {"world": world}
    return store.write_minari(
        episodes, f"hand/{name}-v0", None, author={"a"}, algorithm_name="b", description="c", **told
    )


def words_with_number(number):
    found = np.zeros((7, 12), np.int32)
    found[4, 1] = number
    return found


CAMERA = {"camera": "(0.030, -0.190, 0.380) m +- 0.01 m, 42.1 degrees", "gap": 1.0}
BAD_DATA = {
    "words": (
        {"instruction": words_with_number(64)},
        "the observation's instruction has the token 64, and the vocabulary of the networks is 0 to 63",
    ),
    "fewer-words": (
        {"instruction": words_with_number(-1)},
        "the observation's instruction has the token -1, and the vocabulary of the networks is 0 to 63",
    ),
    "instruction": (
        {"instruction": np.zeros((7, 20), np.int32)},
        "field 'observations/instruction' has int32[20] per step where the task needs int32[12]",
    ),
    "size": (
        {"image": np.zeros((7, 96, 128, 3), np.uint8)},
        "field 'observations/image' has uint8[96,128,3] per step where the task needs uint8[48,64,3]",
    ),
    "type": (
        {"image": np.zeros((7, 48, 64, 3), np.float32)},
        "field 'observations/image' has float32[48,64,3] per step where the task needs uint8[48,64,3]",
    ),
    "camera": (
        {"world": CAMERA},
        f"field 'camera' is '{CAMERA['camera']}' where the task has '(0.000, -0.160, 0.360) m +-",
    ),
    "chunk": (
        {"action": np.zeros((6, 28), np.float32)},
        "field 'action' has float32[28] per step where the task needs float32[7]",
    ),
    "arm": (
        {"action": np.zeros((6, 6), np.float32)},
        "field 'action' has float32[6] per step where the task needs float32[7]",
    ),
}


@pytest.mark.parametrize("name", BAD_DATA)
def test_data_that_does_not_fit(name, refused, here):
    changes, words = BAD_DATA[name]
    folder = recorded(name, **changes)
    before = contents(folder)
    config = [f"--config=flow_bc:{TASK},smoke", f"--config.dataset=hand/{name}-v0", "--workdir=unfit"]
    assert words in refused(["train", *config, *LENGTHS[1:]])
    assert contents(folder) == before
    assert not (here / "unfit" / "config.json").exists()  # the folder is still free for other data


def test_a_task_that_the_preset_does_not_fit(refused, here, monkeypatch):
    def train(task, *more):
        return refused(["train", f"--config=flow_bc:{task},smoke", "--workdir=unfit-task", *more])

    wrong = train(TASK, "--config.networks=vla-s")
    assert "observation's image is uint8[48,64,3], and vla-s has uint8[96,128,3]" in wrong
    for chunk, size in ((2, 14), (8, 56)):
        monkeypatch.setitem(tasks.TASKS, "short", tabletop.task("short", tabletop.Options(chunk=chunk)))
        wrong = train("short")
        assert f"an action has the shape [{size}], and vla-xs has [28], a chunk of 4 steps of 7" in wrong
    assert not (here / "unfit-task").exists()


def test_the_larger_preset_trains_on_larger_images(here):
    large = f"{TASK}-large"
    flags = ["--config.networks=vla-s", "--workdir=runs/large", *LENGTHS]
    (here / "runs").mkdir(exist_ok=True)
    assert not execute(["train", f"--config=flow_bc:{large},smoke", *flags])
    summary = json.loads((here / "runs/large/summary.json").read_text())
    assert summary["updates"] == 2 and summary["dataset"] == f"{large}/expert-20-seed0-v0"


def test_a_checkpoint_of_another_preset(refused, done):
    before = contents(done / "runs/vla")
    again = ["train", f"--config=flow_bc:{TASK},smoke", *LENGTHS]
    wrong = refused([*again, "--workdir=runs/vla", "--config.readout=mean"])
    assert "'readout' is 'flat' there and 'mean' here" in wrong
    wrong = refused([*again, "--workdir=runs/new", "--init-from=runs/vla", "--config.readout=mean"])
    assert wrong.startswith("error: config.init_from=runs/vla: ")
    assert "config.readout is 'flat' there and 'mean' here" in wrong
    state = "widowx-cube-stacking-state"
    execute(["dataset", "make", f"--task={state}", "--steps=20"])
    again = ["train", f"--config=flow_bc:{state},smoke", *LENGTHS]
    wrong = refused([*again, "--workdir=runs/state", "--init-from=runs/vla"])
    assert "runs/vla" in wrong and "image uint8[48,64,3]" in wrong and "state" in wrong
    assert contents(done / "runs/vla") == before
    # A folder whose configuration has been changed by hand.
    shutil.copytree(done / "runs/vla", done / "runs/spoiled")
    path = done / "runs/spoiled/config.json"
    path.write_text(path.read_text().replace('"readout": "flat"', '"readout": "mean"'))
    wrong = refused(["evaluate", "--workdir=runs/spoiled", "--episodes=1"])
    assert "runs/spoiled" in wrong and "checkpoint" in wrong


def test_an_evaluation_of_another_kind(refused, done, monkeypatch):
    chosen = ["evaluate", "--workdir=runs/vla", "--episodes=1"]
    wrong = refused([*chosen, "--task=widowx-cube-stacking-state"])
    assert "--task=widowx-cube-stacking-state: its observations are" in wrong and "uint8[48,64,3]" in wrong
    monkeypatch.setitem(tasks.TASKS, "short", tabletop.task("short", tabletop.Options(chunk=2)))
    wrong = refused([*chosen, "--task=short"])
    assert "--task=short: its actions are" in wrong and "14" in wrong and "28" in wrong
