"""Every job of every sweep describes a run that can be built."""

import ast
import re
from pathlib import Path

import pytest

from rankq_jax import configs
from rankq_jax.launch import sweep
from rankq_jax.training import build

ROOT = Path(__file__).resolve().parents[2]
SWEEPS = [
    (path.name, budget)
    for path, budgets in (
        (ROOT / "launch/sweeps/pointmaze.py", ("cores", "paper")),
        (ROOT / "launch/sweeps/oap.py", ("cores",)),
        (ROOT / "launch/sweeps/antmaze.py", ("cores", "paper")),
        (ROOT / "launch/sweeps/adroit.py", ("cores", "paper")),
        (ROOT / "launch/sweeps/mujoco.py", ("cores", "paper")),
        (ROOT / "launch/sweeps/vla.py", ("carrot",)),
        (ROOT / "launch/sweeps/smoke.py", (None,)),
    )
    for budget in budgets
]


def value_of(text):
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def configured(job):
    """The configuration of a job, with the flags as the command line would read them."""
    file, argument = re.fullmatch(r"--config=(\w+):(.*)", job.arguments[0]).groups()
    draft = configs.arm(file, argument)
    draft.lock()
    for flag in job.arguments[1:]:
        field, value = flag.removeprefix("--config.").split("=", maxsplit=1)
        draft.update_from_flattened_dict({field: value_of(value)})
    return configs.parse(draft)


def test_no_sweep_is_forgotten():
    assert {name for name, _ in SWEEPS} == {path.name for path in (ROOT / "launch/sweeps").glob("[a-z]*.py")}


@pytest.mark.parametrize(("name", "budget"), SWEEPS)
def test_every_job_can_be_built_and_shares_the_budget_of_its_task(name, budget):
    lengths = {}
    for job in sweep.read(str(ROOT / "launch/sweeps" / name), budget):
        config = configured(job)
        plan = build.experiment(config).plan
        for phase in plan:
            field = "updates" if phase.name == "offline" else "env_steps"
            known = lengths.setdefault((config.task, phase.name), config.flat()[f"{phase.name}.{field}"])
            assert config.flat()[f"{phase.name}.{field}"] == known, job.name
        published = budget == "paper" and name in ("antmaze.py", "adroit.py")
        assert config.seeds == (4 if published or name == "smoke.py" else 3)


@pytest.mark.parametrize("name", ["antmaze.py", "adroit.py"])
def test_cells_of_an_accelerator_are_tried_by_small_ones_of_the_same_names(name):
    cells, small = (
        sweep.read(str(ROOT / "launch/sweeps" / name), budget)
        for budget in ("accelerator", "accelerator_smoke")
    )
    assert [f"{job.name}_smoke" for job in cells] == [job.name for job in small]
    assert all(configured(job).seeds == 4 for job in cells)
    steps = [[configured(job).online.env_steps for job in jobs] for jobs in (cells, small)]
    assert min(steps[0]) >= 20_000 and max(steps[1]) < 5_000


def test_the_published_protocol_is_ready():
    """Nine arms, four mazes and three hands, four seeds, a million steps and updates (fewer on hands)."""
    paper = [
        configured(job)
        for name in ("antmaze.py", "adroit.py")
        for job in sweep.read(str(ROOT / "launch/sweeps" / name), "paper")
    ]
    assert len(paper) == 9 * (4 + 3) and {config.seeds for config in paper} == {4}
    for config in paper:
        maze = config.task.startswith("antmaze")
        offline = 0 if config.name == "sac" else 1_000_000 if maze else 20_000
        steps = 200_000 if config.task == "adroit-pen" else 1_000_000
        assert (config.offline.updates, config.online.env_steps) == (offline, steps), config.name
        assert config.dataset_reading == ("d4rl" if maze else "cal_ql"), config.name
    assert len({(config.task, config.name) for config in paper}) == 63
