"""All algorithms and ablations on two mazes, one budget per maze: docs/results/pointmaze.md.

The budget `cores` is for two CPU cores, `paper` is that of the papers and for an accelerator.
"""

from rankq_jax.launch import Job, arm

SEEDS = 3
UMAZE = "pointmaze-umaze"
MEDIUM = "pointmaze-medium"

# Budget `cores`: offline updates, and environment steps of each seed.
UPDATES = {UMAZE: 2_500, MEDIUM: 4_000}
ENV_STEPS = {UMAZE: 1_600, MEDIUM: 1_600}

# Names of files of experiments/configs, in the order of the table's rows.
ARMS = {
    UMAZE: (
        "sac", "sac_off", "hybrid_rl", "cql", "cql_sac", "cal_ql", "cal_ql_sac",
        "rankq", "rankq_sac", "iql", "td3_bc", "bc", "bc_gaussian", "bc_best10", "awac", "rlpd", "rebrac",
    ),
    MEDIUM: (
        "rankq", "rankq_sigma30", "rankq_no_permuted", "rankq_no_chain", "rankq_sac",
        "sac_off", "hybrid_rl", "cql", "cal_ql", "iql",
    ),
}  # fmt: skip
WITHOUT_OFFLINE = {"sac", "rlpd"}
WITHOUT_ONLINE = {"bc", "bc_gaussian", "bc_best10"}


def _cores(name: str, task: str) -> Job:
    overrides = {"seeds": SEEDS}
    if name not in WITHOUT_OFFLINE:
        overrides |= {"offline.updates": UPDATES[task], "offline.updates_per_iteration": 500}
    if name not in WITHOUT_ONLINE:
        overrides["online.env_steps"] = ENV_STEPS[task]
    return arm(name, task, overrides)


BUDGETS = {
    "cores": [_cores(name, task) for task, names in ARMS.items() for name in names],
    "paper": [arm(name, f"{task},paper", {"seeds": SEEDS}) for task, names in ARMS.items() for name in names],
}
