"""The library as a user has it: `import rankq_jax as rq`."""

import re
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import optax
import pytest

import rankq_jax as rq

ROOT = Path(__file__).resolve().parents[1]
QUICKSTART = re.search(
    r"```python\n(import rankq_jax as rq\n.*?)```", (ROOT / "README.md").read_text(), re.DOTALL
)[1]


def test_every_public_name_is_there_and_documented():
    for name in rq.__all__:
        assert (getattr(rq, name).__doc__ or "").strip(), name
    assert set(rq.__all__) <= set(dir(rq))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = rq.nothing


def test_the_page_of_the_interface_is_up_to_date():
    done = subprocess.run([sys.executable, ROOT / "docs" / "make_api.py", "--check"], cwd="/")
    assert done.returncode == 0, "run python docs/make_api.py"


def test_a_policy_is_loaded_without_jax(tmp_path):
    code = (
        "import sys, rankq_jax as rq; rq.load_policy; print(*{'jax', 'mujoco', 'minari'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"


def shortened(code, **numbers):
    for name, number in numbers.items():
        code, count = re.subn(rf"{name}=[\d_]+", f"{name}={number}", code)
        assert count == 1, name
    return code


def test_the_quickstart_of_the_readme_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    scope = {}
    exec(shortened(QUICKSTART, offline_updates=200, env_steps=400), scope)
    assert capsys.readouterr().out.split()[::4][:2] == ["offline", "online"]
    policy, run = rq.load_policy("policy.npz"), scope["run"]
    assert policy.algorithm == "rankq"
    seen = np.asarray(scope["data"].observation[:50], np.float32)
    agent, state = run.phases[-1].agent, run.state.agent
    keys = np.zeros(2)
    import jax

    keys = jax.vmap(jax.random.key)(np.arange(2, dtype=np.uint32))
    own = agent.act_greedy(agent.params(state), np.stack([seen, seen]), keys)
    np.testing.assert_allclose(policy(seen), np.asarray(own)[0], atol=1e-4)


@pytest.mark.slow
def test_the_quickstart_solves_the_maze(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    scope = {}
    exec(QUICKSTART, scope)
    assert scope["event"].last
    last = [event for event in capsys.readouterr().out.splitlines() if event.startswith("online")][-1]
    assert all(float(rate) >= 0.95 for rate in re.findall(r"[01]\.\d*", last)), last


SHORT = {
    "offline_to_online": {"offline_updates": 100, "env_steps": 200, "path": "policy.npz"},
    "own_agent": {"offline_updates": 100, "env_steps": 200},
    "own_dataset": {"steps": 20_000, "offline_updates": 100},
    "own_environment": {"offline_updates": 100, "env_steps": 200},
}


@pytest.mark.parametrize("name", sorted(path.stem for path in (ROOT / "examples").glob("*.py")))
def test_the_examples_run(name, tmp_path, monkeypatch, capsys, registrations):
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(ROOT / "examples" / f"{name}.py"))["main"](**SHORT[name])
    assert "offline 100" in capsys.readouterr().out


def test_a_dataset_comes_as_a_name_as_arrays_and_as_episodes():
    task = rq.make_task("pointmaze-umaze")
    episodes = task.generators["waypoints"].make(600, 0, 1, lambda steps: None)
    arrays = {
        "observations": episodes.observation, "actions": episodes.action, "rewards": episodes.reward,
        "next_observations": episodes.next_observation, "terminals": episodes.terminated,
        "timeouts": episodes.truncated, "infos/success": episodes.success,
    }  # fmt: skip
    one, other = rq.load_dataset(task, episodes), rq.load_dataset(task, arrays)
    for name in ("observation", "action", "reward", "discount"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    with pytest.raises(rq.InputError, match="arrays: "):
        rq.load_dataset(task, {**arrays, "rewards": arrays["rewards"][:-1]})


def test_training_in_python_is_that_of_the_command(tmp_path):
    summary = rq.train("bc:pointmaze-umaze,smoke", tmp_path / "run")
    assert (summary["algorithm"], summary["updates"]) == ("bc", 40)
    assert rq.train("bc:pointmaze-umaze,smoke", tmp_path / "run") == summary  # finished already
    with pytest.raises(rq.InputError, match="Did you mean"):
        rq.train("bcc:pointmaze-umaze,smoke", tmp_path / "other")


def test_what_does_not_fit_is_refused_before_anything_is_trained(tmp_path):
    task, other = rq.make_task("pointmaze-umaze"), rq.make_task("antmaze-umaze-play")
    data = rq.load_dataset(task, task.generators["waypoints"].make(600, 0, 1, lambda steps: None))
    plan = rq.offline_to_online(rq.agents.bc(rq.networks.td3(task.spec), rq.Optimizers.adam(1e-3)))
    sizes = r"of float32\[4\] and actions of float32\[2\], .* of float32\[29\] and float32\[8\]"
    with pytest.raises(ValueError, match=sizes):
        rq.Run(plan, other, data)
    with pytest.raises(ValueError, match=r"discount=2\.0 must be"):
        rq.Run(plan, task, data, discount=2.0)
    with pytest.raises(ValueError, match="evaluation_episodes=0 must be at least 1"):
        rq.Run(plan, task, data, evaluation_episodes=0)
    run = rq.Run(plan, task, data, evaluation_episodes=1)
    for path in ("f.txt", "no/such/f.npz"):
        with pytest.raises(rq.InputError, match=r"must end in \.npz, in a folder that exists"):
            rq.save_policy(run, tmp_path / path)
    with pytest.raises(ValueError, match="seed=4: the run has the seeds 0"):
        rq.save_policy(run, tmp_path / "f.npz", seed=4)
    for call, message in (
        (lambda: rq.Run(plan, "pointmaze-umaze", data), "task: is of type str, not Task; give make_task"),
        (lambda: rq.load_dataset("pointmaze-umaze"), "task: is of type str, not Task; give make_task"),
        (lambda: rq.Run(plan, task, data, seeds=3), "seeds: is of type int, .* e.g. range"),
        (lambda: rq.Run(rq.agents.bc, task, data), "plan: .* give what offline_to_online returns"),
        (
            lambda: rq.agents.bc(rq.networks.td3(task.spec), optax.adam(1e-3)),
            "optimizers: .* not Optimizers",
        ),
    ):
        with pytest.raises(TypeError, match=message) as error:
            call()
        assert "\n" not in str(error.value) and str(error.value).endswith(".")
    with pytest.raises(rq.InputError, match="--import=x: is no word of a configuration"):
        rq.train(["--config=bc:pointmaze-umaze,smoke", "--import=x"], tmp_path / "run")
