"""What the critics of arms say of actions, as a table; see `rankq_jax.diagnostics`."""

from collections.abc import Sequence

import numpy as np

from rankq_jax.analysis import diagnostics
from rankq_jax.analysis.arms import Arm
from rankq_jax.analysis.evaluations import Curve
from rankq_jax.analysis.names import markdown

BEATEN = ("noisy", "very_noisy", "permuted", "random")  # kinds of actions that recorded ones should beat
SLOPE, VALUE = "action_gradient_max", "q_data"
SWITCH = "before and after the switch"  # a column that no other table has
HEAD = (
    "arm", *(f"above {kind.replace('_', ' ')} (%)" for kind in BEATEN),
    "max dQ/da, offline peak", SWITCH, "final", "Q of recorded",
)  # fmt: skip
NONE = "-"

HOW_TO_READ = (
    "*above noisy* and the next three: the share of recorded actions of successes whose Q is above that of a "
    "noisy, a very noisy, a permuted and a random action, on a batch of the replay. The first number is the "
    "last one of the offline phase, the second one that of the end. A column has the mean over the seeds.",
    "*max dQ/da*: the largest absolute element of dQ/da on a batch. The peak is over the records of the "
    "offline phase. *Before and after the switch*: the last record of that phase and the first one online.",
    "*Q of recorded*: the mean Q of recorded actions, at the end of the offline phase and of the run.",
)


def _at(curve: Curve, offline: int) -> dict[str, list[float]]:
    """`{when: values of the seeds}`: `peak` and `before` of the offline phase, `after` and `final` online.

    A seed without a record there has no value.
    """
    found: dict[str, list[float]] = {"peak": [], "before": [], "after": [], "final": []}
    for column in curve.value.T:
        known = np.isfinite(column)
        early, late = column[known & (curve.position <= offline)], column[known & (curve.position > offline)]
        if early.size:
            found["peak"].append(early.max())
            found["before"].append(early[-1])
        if late.size:
            found["after"].append(late[0])
            found["final"].append(late[-1])
    return found


def _of(arm: Arm) -> dict[str, dict[str, float]]:
    """`{metric: {when: mean over the seeds}}` of the finished runs of an arm."""
    read = [(diagnostics.read(m.run.folder), m.run.setting("offline.updates")) for m in arm.finished]
    found: dict[str, dict[str, float]] = {}
    for metric in (SLOPE, VALUE, *map(_above, BEATEN)):
        parts = [_at(curves[metric], offline) for curves, offline in read if metric in curves]
        for when in parts[0] if parts else ():
            if values := [value for part in parts for value in part[when]]:
                found.setdefault(metric, {})[when] = float(np.mean(values))
    return found


def _above(kind: str) -> str:
    return f"rank/success/data_over_{kind}"


def _pair(found: dict[str, float], first: str, then: str, form: str, scale: float = 1.0) -> str:
    shown = [format(scale * found[when], form) if when in found else NONE for when in (first, then)]
    return NONE if set(shown) == {NONE} else ", ".join(shown)


def table(arms: Sequence[Arm]) -> str:
    """One row for each arm whose critic was looked at; empty if there is none.

    Raises:
      InputError: if a record of `metrics.jsonl` is damaged; names the file and the line.
    """
    rows = []
    for arm in arms:
        found = _of(arm)
        if not found:
            continue
        slope = found.get(SLOPE, {})
        rows.append([
            markdown(arm.label),
            *(_pair(found.get(_above(kind), {}), "before", "final", ".0f", 100) for kind in BEATEN),
            format(slope["peak"], ".3g") if "peak" in slope else NONE,
            _pair(slope, "before", "after", ".3g"),
            format(slope["final"], ".3g") if "final" in slope else NONE,
            _pair(found.get(VALUE, {}), "before", "final", ".3g"),
        ])  # fmt: skip
    if not rows:
        return ""
    lines = [f"| {' | '.join(row)} |" for row in (HEAD, *rows)]
    return "\n".join([lines[0], "|---" * len(HEAD) + "|", *lines[1:]])
