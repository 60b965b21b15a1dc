"""The greedy policy of a run as plain weights."""

import hashlib
import json
from pathlib import Path
from typing import Any

import jax
import numpy as np

from rankq_jax.analysis import results
from rankq_jax.configs import algorithms_of
from rankq_jax.errors import InputError
from rankq_jax.lifting import Normalized, jit_act
from rankq_jax.trained_policies import TrainedPolicy
from rankq_jax.training.restore import Restored

DEVIATION = ("log_std", "log_std_multiplier", "log_std_offset")  # parameters that no mode depends on
PROBES = 64  # random observations that the exported policy is compared on
TOLERANCE = 1e-4  # of an action


def _layers(params: Any) -> list[tuple[np.ndarray, np.ndarray]]:
    """Kernel and bias of each dense layer of the network, in order.

    Raises:
      InputError: if the network has something else.
    """
    found: dict[str, dict[str, np.ndarray]] = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        names = [str(getattr(part, "key", getattr(part, "name", part))) for part in path]
        if len(names) >= 2 and names[-2].startswith("Dense_"):
            found.setdefault(names[-2], {})[names[-1]] = np.asarray(leaf)
        elif names[-1] not in DEVIATION:
            raise InputError(
                f"the policy has a parameter {'/'.join(names)}, which an exported one cannot hold; "
                "choose another family of networks."
            )
    ordered = sorted(found, key=lambda name: int(name.removeprefix("Dense_")))
    return [(found[name]["kernel"], found[name]["bias"]) for name in ordered]


def _provenance(restored: Restored, folder: Path, seed: int) -> dict[str, Any]:
    run, notes = results.read(folder), restored.notes
    place = {"updates": notes["updates"], "env_steps": notes["env_steps"], "seed": seed}
    episodes = [record for record in run.evaluations if place.items() <= record.items()]
    digest = hashlib.sha256(json.dumps(run.config, sort_keys=True).encode()).hexdigest()[:12]
    return {
        **place,
        "mean_return": float(np.mean([episode["return"] for episode in episodes])) if episodes else None,
        "config": run.config,
        "config_digest": digest,
        "commit": run.commit,
        "source": run.source,
        "dataset": run.dataset,
        "versions": run.versions,
    }


def policy_of(restored: Restored, index: int, provenance: dict[str, Any]) -> TrainedPolicy:
    """The policy of one seed in numpy.

    Args:
      restored: a state of the run.
      index: of the seed, from 0.
      provenance: that the policy carries.

    Raises:
      InputError: if the network is not a plain perceptron.
    """
    own = jax.tree.map(lambda leaf: np.asarray(leaf)[index], restored.params)
    statistics: dict[str, np.ndarray] = {}
    if isinstance(own, Normalized):
        statistics, own = {"mean": np.asarray(own.mean), "deviation": np.asarray(own.deviation)}, own.inner
    layers, size = _layers(own), restored.built.task.spec.action_size
    layers[-1] = (layers[-1][0][:, :size], layers[-1][1][:size])  # of a Gaussian: its mean
    kernels, biases = zip(*layers, strict=True)
    return TrainedPolicy(
        kernels,
        biases,
        provenance,
        algorithm=algorithms_of(restored.config)[-1],
        task=restored.config.task,
        squash=restored.built.networks.policy.squash,
        **statistics,
    )


def greedy(restored: Restored, observation: np.ndarray) -> np.ndarray:
    """`[n, O] -> [S, n, A]`, the greedy actions of all seeds as the agent computes them."""
    seeds = len(restored.built.seeds)
    keys = jax.vmap(jax.random.key)(np.arange(seeds, dtype=np.uint32))
    repeated = np.broadcast_to(observation.astype(np.float32), (seeds, *observation.shape))
    return np.asarray(jit_act(restored.agent.act_greedy)(restored.params, repeated, keys, np.int32(0)))


def export(restored: Restored, folder: Path, seed: int | None = None) -> TrainedPolicy:
    """The policy of a seed in numpy, compared with the agent's own greedy actions.

    Args:
      restored: a checkpoint of the run, with `exact` arithmetic.
      folder: of the run.
      seed: one of the run's; None takes the first.

    Raises:
      InputError: if the run has no such seed, or the network is not a plain perceptron.
      ArithmeticError: if the actions are not those of the agent.
    """
    seeds = restored.built.seeds
    chosen = seeds[0] if seed is None else seed
    if chosen not in seeds:
        raise InputError(f"--seed={chosen}: {folder} has seeds {seeds[0]} to {seeds[-1]}; choose one.")
    index = seeds.index(chosen)
    exported = policy_of(restored, index, _provenance(restored, folder, chosen))
    random = np.random.default_rng(0).normal(size=(PROBES, exported.observation_size))
    if exported.mean is not None and exported.deviation is not None:
        random = exported.mean + exported.deviation * random
    difference = np.abs(exported(random) - greedy(restored, random)[index]).max()
    if not difference < TOLERANCE:
        raise ArithmeticError(f"exported actions differ from those of the agent by {difference}")
    return exported
