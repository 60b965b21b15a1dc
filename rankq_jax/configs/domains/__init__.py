"""Hyper-parameters by domain, each value beside its source.

A domain is a module with `COMMON`, `{field: value}`, `ALGORITHMS`, `{algorithm: {field: value}}`, `TASKS`,
the same by the beginning of a task's name (under "" what all algorithms share there), and `PAPER`. Later ones
win.
"""

import ml_collections

from rankq_jax.configs.domains import adroit, antmaze, experts, mujoco, pointmaze

DOMAINS = {"pointmaze": pointmaze, "antmaze": antmaze, "adroit": adroit, "mujoco": mujoco, "experts": experts}


def apply(
    config: ml_collections.ConfigDict, domain: str, algorithm: str, task: str, paper: bool = False
) -> None:
    """Writes the values of a domain into a configuration.

    Args:
      config: to be changed.
      domain: name in `DOMAINS`.
      algorithm: whose values are taken; one that the domain does not know keeps the common ones.
      task: full name; its own values are those of the entries of `TASKS` that are beginnings of it, the
        longest last.
      paper: the published way to read the data, episode ends, lengths and networks, where the domain's own
        values differ from them.
    """
    if domain not in DOMAINS:  # of a task of another package, which has the common values
        return
    values = DOMAINS[domain]
    layers = [values.COMMON, values.ALGORITHMS.get(algorithm, {})]
    for name in sorted((name for name in values.TASKS if task.startswith(name)), key=len):
        layers += [values.TASKS[name].get("", {}), values.TASKS[name].get(algorithm, {})]
    if paper:
        layers += [values.PAPER.get("", {}), values.PAPER.get(algorithm, {})]
    for layer in layers:
        config.update_from_flattened_dict(layer)
