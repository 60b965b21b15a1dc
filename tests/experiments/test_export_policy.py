"""Exported policies act as the agents do that they come from: every algorithm on every domain."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from rankq_jax import configs
from rankq_jax.agents import AGENTS
from rankq_jax.errors import InputError
from rankq_jax.exporting import greedy_of
from rankq_jax.lifting import Normalized
from rankq_jax.networks import FAMILIES, VLA_PRESETS
from rankq_jax.trained_policies import load_policy, save_policy
from rankq_jax.training import build, restore, train, weights

ROOT = Path(__file__).resolve().parents[2]
TASKS = ["pointmaze-umaze", "antmaze-medium-play", "adroit-pen"]
SEEDS = 2
ACTS_IN_NUMPY = """
import json, sys
import numpy as np
from rankq_jax.trained_policies import load_policy
policy = load_policy(sys.argv[1])
action = policy(np.array(json.loads(sys.stdin.read())))
loaded = sorted(name for name in sys.modules if name.split(".")[0] in
                ("jax", "jaxlib", "flax", "mujoco", "gymnasium", "distrax", "experiments", "h5py"))
print(json.dumps({"action": action.tolist(), "task": policy.task, "loaded": loaded}))
"""


def greedy(restored, seen):
    """`[S, n, A]`, the actions of the agent of the run."""
    seeds = len(restored.built.seeds)
    return np.stack([greedy_of(restored.agent, restored.params, seeds, i)(seen) for i in range(seeds)])


def drawn(config, random):
    """A state of the run with random parameters and statistics, as a checkpoint holds it."""
    built = build.experiment(config, jax.local_devices()[:1])
    layout, agent = built.layout, built.plan[-1].agent
    example = build.example(config, built.task)
    keys = jax.vmap(jax.random.key)(np.arange(SEEDS, dtype=np.uint32))
    shapes = jax.eval_shape(agent.init, layout.split(keys), example)

    def of_path(path, leaf):
        shape, name = leaf.shape[1:], jax.tree_util.keystr(path)  # without the axis of devices
        if leaf.dtype != np.float32:
            return np.zeros(shape, leaf.dtype)
        if name.startswith(".deviation"):
            return random.uniform(0.01, 5.0, shape).astype(np.float32)
        scale = 3.0 if name.startswith(".mean") else 1.0 / max(shape[-2] if len(shape) > 2 else 1, 1) ** 0.5
        return random.normal(0.0, scale, shape).astype(np.float32)

    return built, jax.tree_util.tree_map_with_path(of_path, shapes)


def configured(algorithm, task, **changes):
    config = configs.get_config(f"{task},smoke", algorithm)
    config.seeds, config.seed = SEEDS, 5
    if algorithm in ("bc", "oap_td3_bc", "oap_iql"):
        config.online.env_steps = 0
    config.update_from_flattened_dict(changes)
    config.execution.update(dict(compute_dtype="float32", matmul_precision="highest"))
    return configs.parse(config)


def recorded(config, folder):
    """The records of a run with two evaluations of both seeds."""
    folder.mkdir()
    about = {"config": config.to_dict(), "versions": {"jax": "1"}, "git_commit": "c0ffee", "source": "5a"}
    (folder / "config.json").write_text(json.dumps(about))
    lines = [
        {"phase": "offline", "updates": u, "env_steps": 0, "seed": s, "episode": e, "return": u + s + e / 2}
        for u in (20, 40) for s in (5, 6) for e in (0, 1)
    ]  # fmt: skip
    (folder / "evaluations.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def observations(policy, random):
    """Where the policy has seen data, far away from there, and nothing but zeros."""
    mean, deviation = (0.0, 1.0) if policy.mean is None else (policy.mean, policy.deviation)
    near = mean + deviation * random.normal(size=(64, policy.observation_size))
    far = mean + deviation * random.choice([-1.0, 1.0], near.shape) * 10.0
    return np.concatenate([near, far, np.zeros((1, policy.observation_size))]).astype(np.float32)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("algorithm", sorted(set(AGENTS) - {"flow_bc"}))
def test_every_algorithm_is_exported_on_every_domain(algorithm, task, tmp_path):
    random = np.random.default_rng(len(algorithm) + 100 * TASKS.index(task))
    config = configured(algorithm, task)
    built, state = drawn(config, random)
    assert isinstance(state, Normalized) == config.normalize_observations
    restored = restore.of_state(config, built, state, {"updates": 40, "env_steps": 0})
    exported = weights.export(restored, recorded(config, tmp_path / "run"), seed=6)
    save_policy(exported, tmp_path / "a.npz")
    policy = load_policy(tmp_path / "a.npz")
    env = built.task.environment(1, 1)
    assert (policy.observation_size, policy.action_size) == (env.observation_size, env.action_size)
    assert (policy.algorithm, policy.task) == (algorithm, task)
    seen = observations(policy, random)
    own = greedy(restored, seen)
    np.testing.assert_allclose(policy(seen), own[1], atol=1e-5)
    assert np.abs(policy(seen) - own[0]).max() > 1e-2  # seeds differ
    assert len(np.unique(policy(seen))) > 20  # and it does not say the same everywhere
    about = policy.provenance
    assert (about["commit"], about["seed"], about["updates"]) == ("c0ffee", 6, 40)
    assert about["mean_return"] == 46.25  # of 40 + 6 and half a point more


@pytest.mark.parametrize("family", sorted(set(FAMILIES) - {"flow", *VLA_PRESETS}))
@pytest.mark.parametrize("normalized", [False, True])
def test_every_family_is_exported_with_and_without_statistics(family, normalized, tmp_path):
    """Behaviour cloning takes every family; dropout is of the Gaussian ones."""
    random = np.random.default_rng(3)
    changes = {
        "networks": family,
        "normalize_observations": normalized,
        "actor_hidden": (24, 12, 8),
    }
    config = configured("bc", TASKS[0], **changes)
    config = dataclasses.replace(config, actor_dropout=0.3 if family in ("iql", "awac") else 0.0)
    restored = restore.of_state(config, *drawn(config, random), {"updates": 40, "env_steps": 0})
    exported = weights.export(restored, recorded(config, tmp_path / "run"))
    assert (exported.mean is not None) == normalized and len(exported.kernels) == 4
    seen = observations(exported, random)
    np.testing.assert_allclose(exported(seen), greedy(restored, seen)[0], atol=1e-5)
    extreme = exported(np.array([[1e30] * 4, [-1e30] * 4, [3e5] * 4], np.float32))
    assert (np.abs(extreme) <= 1.0).all()
    assert exported.provenance["seed"] == 5  # the first


def test_a_flow_policy_is_not_exported(tmp_path):
    config = configured("flow_bc", TASKS[0])
    restored = restore.of_state(
        config, *drawn(config, np.random.default_rng(0)), {"updates": 0, "env_steps": 0}
    )
    with pytest.raises(InputError, match=r"the policy of flow_bc integrates a velocity .* cannot hold"):
        weights.export(restored, recorded(config, tmp_path / "run"))


def test_the_last_phase_names_the_algorithm(tmp_path):
    config = configured("rankq", TASKS[0], **{"online.algorithm": "sac"})
    restored = restore.of_state(
        config, *drawn(config, np.random.default_rng(0)), {"updates": 7, "env_steps": 9}
    )
    exported = weights.export(restored, recorded(config, tmp_path / "run"))
    assert exported.algorithm == "sac" and exported.provenance["mean_return"] is None


def test_seeds_and_networks_that_cannot_be_exported(tmp_path):
    config = configured("bc", TASKS[0])
    built, state = drawn(config, np.random.default_rng(0))
    restored = restore.of_state(config, built, state, {"updates": 40, "env_steps": 0})
    folder = recorded(config, tmp_path / "run")
    with pytest.raises(InputError, match=r"^seed=4: the run has the seeds 5, 6; choose one"):
        weights.export(restored, folder, seed=4)
    params = restored.params
    inner = params.inner if isinstance(params, Normalized) else params
    inner["params"]["LayerNorm_0"] = {"scale": np.ones((SEEDS, 32), np.float32)}
    with pytest.raises(InputError, match="has a parameter params/LayerNorm_0/scale, which"):
        weights.export(restored._replace(params=params), folder)


def test_actions_that_are_not_those_of_the_agent_are_not_written(tmp_path):
    config = configured("awac", TASKS[0])
    restored = restore.of_state(
        config, *drawn(config, np.random.default_rng(0)), {"updates": 40, "env_steps": 0}
    )
    inner = restored.agent.act_greedy
    halved = restored.agent._replace(act_greedy=lambda params, seen, key: 0.5 * inner(params, seen, key))
    restored = restored._replace(agent=halved)
    with pytest.raises(InputError, match="differ from those of the agent"):
        weights.export(restored, recorded(config, tmp_path / "run"))


def command(module, *arguments):
    line = [sys.executable, "-m", module, *map(str, arguments)]
    return subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=300)


def test_a_trained_run_is_exported_by_the_command_and_acts_in_numpy_alone(tmp_path):
    config = configs.get_config("pointmaze-umaze,smoke", "td3_bc")
    config.seeds, config.online.env_steps, config.offline.updates = 2, 0, 20
    config.execution.compute_dtype = "bfloat16"  # exported in float32, like its parameters
    train.train(configs.parse(config), tmp_path / "run")
    restored = restore.restore(tmp_path / "run", exact=True)
    assert isinstance(restored.params, Normalized)
    file = tmp_path / "policy.npz"
    done = command("experiments.export_policy", f"--workdir={tmp_path / 'run'}", f"--out={file}", "--seed=1")
    assert done.returncode == 0 and done.stdout == f"policy: {file}\n", done.stderr
    seen = np.random.default_rng(5).uniform(-2, 2, (9, 4)).astype(np.float32)
    acted = subprocess.run(
        [sys.executable, "-c", ACTS_IN_NUMPY, file],
        cwd=ROOT, input=json.dumps(seen.tolist()), capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert acted.returncode == 0, acted.stderr
    told = json.loads(acted.stdout)
    assert told["loaded"] == [] and told["task"] == "pointmaze-umaze"
    np.testing.assert_allclose(told["action"], greedy(restored, seen)[1], atol=1e-5)
    about = load_policy(file).provenance
    assert about["updates"] == 20 and about["mean_return"] is not None and len(about["config_digest"]) == 12
