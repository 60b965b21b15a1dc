"""Two algorithms on two mazes with four seeds, in seconds: what the launchers are tried with."""

from rankq_jax.launch import product

SWEEP = product(
    ("rankq", "iql"),
    tasks=("pointmaze-umaze,smoke", "pointmaze-medium,smoke"),
    seeds=4,
)
