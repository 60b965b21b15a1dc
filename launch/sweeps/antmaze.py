"""The comparison of the RankQ paper on AntMaze: docs/results/antmaze.md.

The budget `cores` is four methods on the smallest maze for two CPU cores, with the networks and rates of the
point mazes; `paper` is the published protocol, nine arms on four mazes read as D4RL's, with a million updates
and steps, for an accelerator. Its own data have few success rows, as the published.
`accelerator` has cells of four seeds for a quarter of an hour on such a device, made one machine after
another by `--minutes` and `--carry`; `accelerator_smoke` is the same in seconds, to try the command.
"""

from rankq_jax.launch import Job, arm

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

# Measured on one H200 with 16 cores: RankQ takes 3 minutes of `umaze` and 4 to 5 of `medium`.
QUARTER = {"seeds": 4, "online.env_steps": 20_000, "evaluation_episodes": 50, "replay_capacity": 100_000}
CELLS = {  # maze: transitions, offline updates, iterations of them between two evaluations
    "umaze-play": (300_000, 150_000, 25),
    "medium-play": (600_000, 250_000, 50),
    "medium-diverse": (600_000, 250_000, 50),
    "large-play": (600_000, 250_000, 50),
}


def _cells(word: str = "") -> list[Job]:
    """Every arm of `SECTIONS` on every maze of `CELLS`; the word `smoke` has its own numbers."""
    found = []
    for maze, (rows, updates, evaluate) in CELLS.items():
        values = QUARTER | {
            "dataset_steps": rows, "offline.updates": updates, "offline.evaluate_every": evaluate,
            "online.evaluate_every": 5,
        }  # fmt: skip
        found += [arm(name, f"antmaze-{maze}{word}", {} if word else values) for name in SECTIONS]
    return found


BUDGETS = {
    "accelerator": _cells(),
    "accelerator_smoke": _cells(",smoke"),
    "cores": [
        arm(name, "antmaze-umaze-play", {**CORES, f"{section}.target_rate": 0.02})
        for name, section in SECTIONS.items()
    ],
    "paper": [arm(name, f"antmaze-{maze},paper", {"seeds": 4}) for maze in MAZES for name in ARMS],
}
