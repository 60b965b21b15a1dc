"""The greedy policy of a run as plain weights."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from rankq_jax.analysis import results
from rankq_jax.exporting import to_numpy
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
      InputError: if the run has no such seed, or its policy is none that a file can hold, see `to_numpy`.
    """
    built, seeds = restored.built, restored.built.seeds
    provenance = _provenance(restored, folder, seeds[0] if seed is None else seed)
    spec, task = built.task.spec, restored.config.task
    return to_numpy(restored.agent, restored.params, seeds, seed, spec, task, provenance)
