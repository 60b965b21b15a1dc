"""RankQ's alpha_0 beside the data that it weighs: what it comes to, and the one that balances the classes."""

import dataclasses

import numpy as np

from rankq_jax.agents import balanced_weight
from rankq_jax.configs import RunConfig, algorithms_of, has_dataset
from rankq_jax.errors import InputError
from rankq_jax.types import Transition

# alpha_0 = 20 is published for AntMaze data with less than 5 % success rows: at most 1.
PUBLISHED, FAR = 1.0, 2.0


def share_of(dataset: Transition) -> float:
    """The share of the rows of a dataset that belong to successful trajectories, in [0, 1]."""
    return float(np.mean(dataset.extras["success"], dtype=np.float64))


def settled(config: RunConfig, dataset: Transition) -> RunConfig:
    """The configuration with a number for alpha_0, which is a function of the dataset alone.

    Raises:
      InputError: if no row of the dataset belongs to a success.
    """
    if config.success_weight != "balanced":
        return config
    share = share_of(dataset)
    if share == 0.0:
        raise InputError(
            "config.success_weight=balanced: no row of the dataset belongs to a success; leave it out."
        )
    own = {**config.sections["rankq"], "success_weight": balanced_weight(share)}
    return dataclasses.replace(config, sections={**config.sections, "rankq": own})


def announcement(config: RunConfig, dataset: Transition) -> list[str]:
    """What the ranking of success rows weighs in an offline batch of a settled configuration, in a line.

    A second line warns where that is far from the published weight. Empty for a run without RankQ, and
    without a dataset.
    """
    if "rankq" not in algorithms_of(config) or not has_dataset(config):
        return []
    weight, share = config.sections["rankq"]["success_weight"], share_of(dataset)
    effective = weight * share
    how = "balanced" if config.success_weight == "balanced" else "given"
    lines = [
        f"rankq: alpha_0 = {weight:.4g} ({how}) on {100 * share:.2f} % success rows weighs {effective:.3g} "
        "in a batch of the dataset"
    ]
    if effective > FAR:
        lines.append(
            f"warning: alpha_0 * share = {effective:.3g} is far above {PUBLISHED:g}, the most that 20 comes "
            "to on the data that it is published on; see config.success_weight=balanced."
        )
    return lines
