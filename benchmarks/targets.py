"""What the figures are held to, by the platform of the first device."""

from typing import NamedTuple

import jax

from benchmarks.report import against


class Targets(NamedTuple):
    """Bounds; where a platform has none, the field is None or empty.

    Attributes:
      share: of the rate of large matrix products that an update reaches at least.
      ratio: by algorithm, rate over that of the same updates dispatched one by one, at least.
      rate: by algorithm, updates per second of one seed, at least.
      rank_over_conservative: time of a RankQ update over that of a Cal-QL update, at most.
      seeds: `(S, factor)`: S seeds in at most `factor` times the time of one.
      overlap: wall time of overlapped rounds over that of sequential ones, at most, where collecting and
        updating do not compete for the same cores.
    """

    share: float | None
    ratio: dict[str, float]
    rate: dict[str, float]
    rank_over_conservative: float
    seeds: tuple[int, float] | None
    overlap: float


CPU = Targets(0.65, {"sac": 1.6, "iql": 1.6, "cql": 1.5, "cal_ql": 1.5}, {}, 0.25, None, 0.65)
GPU = Targets(None, {"rankq": 15.0}, {"rankq": 2_500.0}, 0.25, (16, 2.0), 0.65)
GPU_ONLY = (
    "The targets of a GPU (2,500 RankQ updates/s, 15 times one by one, 16 seeds in twice the time of one)"
)


def of_platform() -> Targets:
    """Those of the default device."""
    return CPU if jax.default_backend() == "cpu" else GPU


def verdict(*judged: tuple[str, float, float | None], at_most: bool = False) -> str:
    """`"share met, ratio missed by 5 %"` for `(name, value, target)`; without a target nothing is said."""
    found = [f"{name} {against(value, bound, at_most)}" for name, value, bound in judged if bound is not None]
    return ", ".join(found) or "-"
