"""The comparison of the RankQ paper on AntMaze: docs/results/antmaze.md.

The budget `cores` is four methods on the smallest maze for two CPU cores, with the networks and rates of the
point mazes; `paper` is the published protocol, nine arms on four mazes read as D4RL's, with a million updates
and steps, for an accelerator. Its own data have few success rows, as the published.
"""

from rankq_jax.launch import arm

ARMS = ("sac", "sac_off", "hybrid_rl", "cql", "cql_sac", "cal_ql", "cal_ql_sac", "rankq", "rankq_sac")
MAZES = ("medium-play", "medium-diverse", "large-play", "large-diverse")

CORES = {
    "seeds": 3,
    "dataset_steps": 200_000,
    "actor_hidden": (128, 128),
    "critic_hidden": (128, 128),
    "actor_learning_rate": 3e-4,
    "offline.updates": 6_000,
    "offline.evaluate_every": 3,
    "online.env_steps": 3_000,
    "online.evaluate_every": 0,
    "evaluation_episodes": 30,
}
# Values settle over 1 / (target_rate (1 - discount)) updates: 5,000 here, 20,000 with the published 0.005.
SECTIONS = {"rankq": "rankq", "cal_ql": "cal_ql", "iql": "iql", "sac_off": "sac"}

BUDGETS = {
    "cores": [
        arm(name, "antmaze-umaze-play", {**CORES, f"{section}.target_rate": 0.02})
        for name, section in SECTIONS.items()
    ],
    "paper": [arm(name, f"antmaze-{maze},paper", {"seeds": 4}) for maze in MAZES for name in ARMS],
}
