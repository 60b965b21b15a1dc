"""The factor of the reward by the returns of the dataset, as the IQL code has it on MuJoCo."""

import dataclasses

from rankq_jax.configs import RunConfig
from rankq_jax.data.readings import Summary
from rankq_jax.errors import InputError
from rankq_jax.types import Transition

SPAN = 1000.0  # of the returns of a dataset (IQL code, train_offline.normalize)
FIELD = "config.reward_scaling=return_range"


def settled(
    config: RunConfig, dataset: Transition, described: Summary | None
) -> tuple[RunConfig, Transition]:
    """The configuration with the factor that online rewards take, and the dataset with rewards by it.

    The factor is a function of the dataset alone. The IQL code scales the dataset and not what is collected;
    here one factor holds for both.

    Args:
      config: the configuration.
      dataset: whose rewards have the factor `config.reward_scale`.
      described: what it holds; None where the run reads no dataset.

    Raises:
      InputError: if there is no dataset, its returns are all equal, or something is added to the rewards.
    """
    if config.reward_scaling != "return_range":
        return config, dataset
    why = ""
    low, high = (0.0, 0.0) if described is None else described.returns
    if described is None:
        why = "the run reads no dataset"
    elif config.reward_bias != 0.0:
        why = f"config.reward_bias={config.reward_bias} would not be scaled with the rewards"
    elif not high > low:
        why = "the trajectories of the dataset have equal returns"
    if why:
        raise InputError(f"{FIELD}: {why}; set config.reward_scaling=given.")
    factor = SPAN / (high - low)
    extras = {**dataset.extras, "mc_return": (factor * dataset.extras["mc_return"]).astype("float32")}
    scaled = dataset._replace(reward=(factor * dataset.reward).astype("float32"), extras=extras)
    return dataclasses.replace(config, reward_scale=factor * config.reward_scale), scaled


def announcement(config: RunConfig) -> list[str]:
    """What the rewards of a settled configuration are multiplied by, in a line; empty where it is given."""
    if config.reward_scaling != "return_range":
        return []
    return [f"rewards: times {config.reward_scale:.4g}, so that the returns of the dataset span {SPAN:g}"]
