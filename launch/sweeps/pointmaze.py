"""Four algorithms on the smallest maze, three seeds each, one budget: docs/results/pointmaze.md."""

from launch.sweep import product

SWEEP = product(
    [f"experiments/configs/{name}.py:pointmaze-umaze" for name in ("sac", "cql", "cal_ql", "rankq")],
    {"seeds": (3,), "offline.updates": (8_000,)},
)
