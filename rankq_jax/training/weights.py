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
from rankq_jax.exporting import greedy_of, to_numpy
from rankq_jax.trained_policies import TrainedPolicy
from rankq_jax.training.restore import Restored


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


def export(restored: Restored, folder: Path, seed: int | None = None) -> TrainedPolicy:
    """The policy of a seed in numpy, compared with the agent's greedy actions.

    Args:
      restored: a checkpoint of the run, with `exact` arithmetic.
      folder: the folder of the run.
      seed: one of the run's seeds; None takes the first.

    Raises:
      InputError: if the run has no such seed, or the network is not a plain perceptron.
    """
    seeds = restored.built.seeds
    chosen = seeds[0] if seed is None else seed
    if chosen not in seeds:
        raise InputError(f"seed={chosen}: {folder} has seeds {seeds[0]} to {seeds[-1]}; choose one.")
    index = seeds.index(chosen)
    return to_numpy(
        jax.tree.map(lambda leaf: np.asarray(leaf)[index], restored.params),
        greedy_of(restored.agent, restored.params, len(seeds), index),
        restored.built.task.spec,
        algorithm=algorithms_of(restored.config)[-1],
        task=restored.config.task,
        provenance=_provenance(restored, folder, chosen),
    )
