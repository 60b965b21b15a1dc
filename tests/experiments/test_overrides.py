"""What a command line gives must be read; what does not fit in memory is refused before it is made."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from rankq_jax import configs
from rankq_jax.agents import AGENTS
from rankq_jax.cli import main
from rankq_jax.configs import checks
from rankq_jax.errors import InputError
from rankq_jax.launch import sweep
from rankq_jax.training import build, memory, train

ROOT = Path(__file__).resolve().parents[2]


def given(file, changes, argument="pointmaze-umaze,smoke"):
    """Checks overrides as the command does."""
    config = configs.arm(file, argument)
    config.update_from_flattened_dict(changes)
    fresh = configs.recorded(configs.arm(file, argument))
    checks.check_given(configs.recorded(config), changes, fresh.flat())


@pytest.mark.parametrize("file", ["rankq", "rankq_sac", "iql", "rlpd", "bc", "oap_td3_bc"])
def test_a_section_is_read_by_its_own_arms_alone(file):
    config = configs.arm(file, "pointmaze-umaze,smoke")
    mine = {"rankq_sac": {"rankq", "sac"}}.get(file, {file})
    for section in AGENTS:
        field = next(iter(config[section]))
        changes = {f"{section}.{field}": config[section][field]}
        if section in mine:
            given(file, changes)
        else:
            with pytest.raises(InputError, match=f"config.{section}.{field}: is not read.*{section!r}"):
                given(file, changes)


@pytest.mark.parametrize(
    ("file", "changes", "message"),
    [
        ("rankq", {"preferences.query_limit": 3}, "nobody is asked in a run of rankq"),
        ("bc", {"online.updates_per_step": 2.0}, "config.online.env_steps=0 leaves the phase out"),
        ("rlpd", {"offline.evaluate_every": 2}, "config.offline.updates=0 leaves the phase out"),
        ("rankq", {"online.mixing_ratio_final": 0.1}, "config.online.mixing_anneal=0 leaves it"),
        ("rankq", {"actor_cosine_decay": True}, "config.online.env_steps=1800 leaves it"),
        ("rankq", {"dataset": "a.npz", "dataset_steps": 5}, "config.dataset=a.npz leaves it"),
        ("oap_iql", {"preferences.rank_net": False, "preferences.rank_net_epochs": 2}, "rank_net=False"),
        ("oap_iql", {"preferences.all_at_once": 20, "preferences.query_interval": 20}, "all_at_once"),
        ("rebrac", {"offline.updates": 0, "rebrac.critic_weight": 0.5}, "online.arguments.critic_weight"),
        ("rankq", {"task": "pointmaze-medium"}, "after the colon, --config=NAME:pointmaze-medium"),
        ("rankq", {"algorithm": "iql"}, "--config=iql:TASK"),
    ],
)
def test_what_another_field_leaves_without_effect_is_refused_by_name(file, changes, message):
    name = list(changes)[-1]
    with pytest.raises(InputError, match=f"config.{name}.*{re.escape(message)}") as error:
        given(file, changes)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("file", "changes"),
    [
        ("rankq", {"task": "pointmaze-umaze", "algorithm": "rankq"}),  # as they are
        ("rankq", {"online.mixing_anneal": 100, "online.mixing_ratio_final": 0.1}),
        ("rebrac", {"rebrac.critic_weight": 0.5, "online.arguments.critic_weight": 0.1}),
        ("oap_iql", {"preferences.query_limit": 30, "preferences.rank_net_epochs": 2}),
        ("bc", {"offline.updates": 40, "actor_cosine_decay": True}),
    ],
)
def test_what_is_read_is_taken(file, changes):
    given(file, changes)


def jobs():
    for path in sorted((ROOT / "launch" / "sweeps").glob("[a-z]*.py")):
        for budget in ("cores", "paper", None):
            try:
                yield from sweep.read(str(path), budget)
            except ValueError:  # a budget that the sweep does not have
                continue


def test_the_sweeps_give_nothing_that_is_not_read():
    seen = 0
    for job in {job.name: job for job in jobs()}.values():
        file, argument = re.fullmatch(r"--config=(\w+):(.*)", job.arguments[0]).groups()
        names = [flag.removeprefix("--config.").partition("=")[::2] for flag in job.arguments[1:]]
        config = configs.arm(file, argument)
        lengths = {n: int(v) for n, v in names if n in ("offline.updates", "online.env_steps")}
        config.update_from_flattened_dict(lengths)
        for name, _ in names:
            assert checks.unread(configs.parse(config), name) == "", (job.name, name)
            seen += 1
    assert seen > 100


GIGABYTES = 20e9


@pytest.mark.parametrize(
    "changes",
    [
        {"evaluation_episodes": 10**9},
        {"seeds": 10**6},
        {"batch_size": 10**9},
        {"train_envs": 10**9, "online.env_steps_per_iteration": 10**9, "online.env_steps": 10**9},
        {"replay_capacity": 2 * 10**9, "online.env_steps": 1_999_999_800},
        {"critic_hidden": (65_536,) * 20},
        {"actor_hidden": (60_000, 60_000)},
        {"critics": 1000, "critic_hidden": (2048, 2048, 2048)},
        {"dataset_steps": 10**9},
    ],
)
def test_what_does_not_fit_is_refused_before_it_is_made(changes, monkeypatch):
    monkeypatch.setattr(memory, "available", lambda: GIGABYTES)
    config = configs.arm("rankq", "pointmaze-umaze,smoke")
    config.execution.critics = "batched"
    config.update_from_flattened_dict(changes)
    with pytest.raises(InputError, match="20 GB are available here") as error:
        memory.check(configs.parse(config), build.experiment(configs.parse(config)))
    line = str(error.value)
    assert any(f"config.{name}={value}" in line for name, value in changes.items()), line
    assert "\n" not in line


def test_a_run_that_does_not_fit_is_refused_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "available", lambda: 1e6)
    with pytest.raises(InputError, match="1 MB are available here; choose less"):
        train.train(configs.parse(configs.arm("rankq", "pointmaze-umaze,smoke")), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("name", "value"), [("critics", 10**9), ("replay_capacity", 10**12), ("seeds", 10**30)]
)
def test_counts_that_nothing_could_hold_are_refused_by_their_bound(name, value):
    config = configs.arm("rankq", "pointmaze-umaze,smoke")
    config[name] = value
    with pytest.raises(InputError, match=rf"config.{name}={value} must be at most \d+\."):
        configs.parse(config)


@pytest.mark.parametrize("changes", [{"rlpd.subset": 500}, {"critics": 2, "rlpd.subset": 7}])
def test_a_subset_of_more_members_than_the_critic_has_is_refused(changes):
    with pytest.raises(InputError, match=r"config.rlpd.subset=\d+ must be at most the \d+ of config.critics"):
        given("rlpd", changes)


def test_the_estimate_counts_the_arrays_that_a_run_has(monkeypatch):
    """By hand, for a network of one hidden layer and a buffer."""
    config = configs.arm("rankq", "pointmaze-umaze,smoke")
    config.actor_hidden, config.critic_hidden, config.critics = (7,), (5,), 3
    config.seeds, config.online.env_steps, config.replay_capacity = 2, 3_000, 1_800
    built = build.experiment(configs.parse(config))
    parts = {part.what: part.size for part in memory.learning(configs.parse(config), built)}
    actor = 4 * 7 + 7 + 7 * 4 + 4 + 2  # of 4 observations; mean and deviation of 2 actions; two scalars
    critic = 3 * (6 * 5 + 5 + 5 + 1)
    floats = 3 * actor + 4 * critic + 3  # Adam has two moments; a target; the temperature
    counts = 1 + 3  # of the updates, and of each optimizer
    assert parts["networks and optimizers"] == 2 * 4 * (floats + counts)
    row = 4 + 2 + 1 + 1 + 4 + 1 + 1 + 2  # both observations and actions, three labels
    assert parts["replay buffers"] == 2 * 1_800 * 4 * row


def test_memory_of_this_machine_is_known():
    assert 1e8 < memory.available() < 1e15


@pytest.mark.filterwarnings("ignore:the load_module:DeprecationWarning")  # of ml_collections
@pytest.mark.parametrize(
    ("command", "foreign"), [("train", "--out"), ("evaluate", "--out"), ("export", "--steps")]
)
def test_the_flag_of_another_command_is_refused(command, foreign):
    with pytest.raises(InputError, match=f"unknown flag {foreign}"):
        main.parser(command).read([f"{foreign}=b"])


def test_the_training_command_refuses_before_it_makes_anything(tmp_path):
    command = [sys.executable, "-m", "experiments.train", f"--workdir={tmp_path / 'run'}"]
    command += ["--config=experiments/configs/rankq.py:pointmaze-umaze,smoke", "--out=x"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert result.returncode == 2 and result.stderr.strip().splitlines()[-1].startswith(
        "error: unknown flag --out"
    )
    assert not (tmp_path / "run").exists()
