"""The greedy policy of a finished run as plain weights."""

from pathlib import Path
from typing import Any

import jax
import numpy as np

from experiments.restore import Restored
from rankq_jax.analysis import results
from rankq_jax.data.generate.policy import TrainedPolicy
from rankq_jax.errors import InputError
from rankq_jax.lifting import stepwise

PROBES = 64  # random observations that the written policy is compared on
TOLERANCE = 1e-4  # of an action


def _layers(params: Any) -> list[tuple[np.ndarray, np.ndarray]]:
    """Kernel and bias of each dense layer of the network, in order."""
    found: dict[str, dict[str, np.ndarray]] = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        names = [str(getattr(part, "key", getattr(part, "name", part))) for part in path]
        if len(names) >= 2 and names[-2].startswith("Dense_"):
            found.setdefault(names[-2], {})[names[-1]] = np.asarray(leaf)
    ordered = sorted(found, key=lambda name: int(name.removeprefix("Dense_")))
    return [(found[name]["kernel"], found[name]["bias"]) for name in ordered]


def _provenance(folder: Path) -> dict[str, Any]:
    run = results.read(folder)
    curve = results.curve(run, "return")
    return {
        "config": {key: value for key, value in run.config.items() if isinstance(value, (str, int, float))},
        "commit": run.commit,
        "versions": run.versions,
        "env_steps": int(max(curve.position, default=0)),
        "mean_return": float(curve.value[-1, 0]) if len(curve.value) else None,
    }


def export(restored: Restored, folder: Path) -> TrainedPolicy:
    """The first seed's policy in numpy, compared with the agent's own greedy actions.

    Raises:
      InputError: if the network is not a plain perceptron with a tanh at its end.
    """
    own = jax.tree.map(lambda leaf: leaf[0], jax.tree.map(np.asarray, restored.params))
    env = restored.built.task.environment(1, 1)
    layers, size = _layers(own), env.action_size
    if layers:
        layers[-1] = (layers[-1][0][:, :size], layers[-1][1][:size])  # of a Gaussian: its mean
        kernels, biases = zip(*layers, strict=True)
        exported = TrainedPolicy(kernels, biases, _provenance(folder))
        seeds = len(restored.built.seeds)
        seen = np.random.default_rng(0).normal(size=(PROBES, env.observation_size)).astype(np.float32)
        keys = jax.vmap(jax.random.key)(np.arange(seeds, dtype=np.uint32))
        repeated = np.broadcast_to(seen, (seeds, *seen.shape))
        expected = np.asarray(stepwise(restored.agent.mode)(restored.params, repeated, keys, np.int32(0)))
        if np.abs(exported(seen) - expected.reshape(seeds, PROBES, size)[0]).max() < TOLERANCE:
            return exported
    raise InputError(
        f"{folder}: its policy is not a plain perceptron with a tanh; train it without normalisation layers, "
        "with --config.standardise=False and --config.execution.compute_dtype=float32."
    )
