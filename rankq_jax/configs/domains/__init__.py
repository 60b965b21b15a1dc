"""Hyper-parameters by domain, each value beside its source.

A domain is a module with `COMMON`, `{field: value}`, `ALGORITHMS`, `{algorithm: {field: value}}`, `TASKS`,
the same by the beginning of a task's name (under "" what all algorithms share there), and `PAPER`. Later ones
win.
"""

import functools
import operator

from rankq_jax.configs.domains import adroit, antmaze, experts, mujoco, pointmaze, tabletop
from rankq_jax.configs.domains.values import Layer

DOMAINS = {
    "pointmaze": pointmaze, "antmaze": antmaze, "adroit": adroit, "mujoco": mujoco, "tabletop": tabletop,
    "experts": experts,
}  # fmt: skip


def layers(domain: str, algorithm: str, task: str, paper: bool = False) -> list[Layer]:
    """The values of a domain, those that win last.

    Args:
      domain: name in `DOMAINS`.
      algorithm: whose values are taken; one that the domain does not know keeps the common ones.
      task: full name; its own values are those of the entries of `TASKS` that are beginnings of it, the
        longest last.
      paper: the published way to read the data, episode ends, lengths and networks, where the domain's own
        values differ from them.
    """
    if domain not in DOMAINS:  # of a task of another package, which has the common values
        return []
    own = [("COMMON",), ("ALGORITHMS", algorithm)]
    for name in sorted((name for name in DOMAINS[domain].TASKS if task.startswith(name)), key=len):
        own += [("TASKS", name, ""), ("TASKS", name, algorithm)]
    if paper:
        own += [("PAPER", ""), ("PAPER", algorithm)]
    found = []
    for place in own:
        try:
            values = functools.reduce(operator.getitem, place[1:], getattr(DOMAINS[domain], place[0]))
        except KeyError:
            continue
        words = ["paper"] if place[0] == "PAPER" else [name for name in place[1:-1] if name]
        words += [place[-1]] if len(place) > 1 and place[-1] else []
        source = f"domain {domain}" + (f" ({', '.join(words)})" if words else "")
        found.append(Layer(source, values, (domain, *place)))
    return found
