"""What a run refuses that has no dataset, only what it collects."""

from rankq_jax.agents import reads
from rankq_jax.configs.run_config import RunConfig, algorithms_of
from rankq_jax.errors import InputError
from rankq_jax.types import PREFERRED_ACTION


def check_without_dataset(config: RunConfig, could: bool) -> None:
    """Refuses what needs a dataset in a run that has none.

    Args:
      config: for which `has_dataset` is false.
      could: whether the task makes one.

    Raises:
      InputError: names the field, and what to do.
    """
    online = config.online
    if config.collect.env_steps == 0:
        if could and (config.offline.updates or online.mixing_ratio or online.mixing_anneal):
            raise InputError(
                "config.dataset_steps=0 must be at least 1, or give config.dataset, or collect first "
                "(config.collect.env_steps)."
            )
        return
    mixed = online.env_steps > 0 and (online.mixing_ratio > 0.0 or online.mixing_anneal > 0)
    asking = any(reads(name, PREFERRED_ACTION) for name in algorithms_of(config))
    for wrong, field, instead in (
        (mixed, f"online.mixing_ratio={online.mixing_ratio}", "-1, and online.mixing_anneal=0"),
        (config.normalize_observations, "normalize_observations=True", "False"),
        (config.success_weight != "given", f"success_weight={config.success_weight}", "given"),
        (config.keep_best < 1.0, f"keep_best={config.keep_best}", "1"),
        (config.dataset_storage == "disk", "dataset_storage=disk", "memory"),
        (asking, f"algorithm={config.algorithm}", "one that asks nobody"),
    ):
        if wrong:
            raise InputError(
                f"config.{field}: needs a dataset, and the run has only what it collects; set {instead}, or "
                "config.dataset or config.dataset_steps."
            )
