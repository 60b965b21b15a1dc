"""Hyper-parameters by domain, each value beside its source.

A domain is a module with `COMMON`, `{field: value}`, `ALGORITHMS`, `{algorithm: {field: value}}`, `TASKS`,
the same by the beginning of a task's name (under "" what all algorithms share there), and `PAPER`, as
`ALGORITHMS`. It may have `PAPER_TASKS`, as `TASKS`. Later ones win.
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
    own = [("COMMON",), ("ALGORITHMS", algorithm), *_of_task(domain, "TASKS", task, algorithm)]
    if paper:
        own += [("PAPER", ""), ("PAPER", algorithm), *_of_task(domain, "PAPER_TASKS", task, algorithm)]
    found = []
    for place in own:
        try:
            values = functools.reduce(operator.getitem, place[1:], getattr(DOMAINS[domain], place[0]))
        except KeyError:
            continue
        words = [*(["paper"] if place[0].startswith("PAPER") else []), *filter(None, place[1:-1])]
        words += [place[-1]] if len(place) > 1 and place[-1] else []
        source = f"domain {domain}" + (f" ({', '.join(words)})" if words else "")
        found.append(Layer(source, values, (domain, *place)))
    return found


def _of_task(domain: str, name: str, task: str, algorithm: str) -> list[tuple[str, ...]]:
    """The places of the values of a task in a dictionary of a domain, by the beginnings of its name."""
    known = getattr(DOMAINS[domain], name, {})
    beginnings = sorted(filter(task.startswith, known), key=len)
    return [(name, beginning, last) for beginning in beginnings for last in ("", algorithm)]
