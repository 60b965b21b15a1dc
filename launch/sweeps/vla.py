"""Fine-tuning the policies of the package where they start badly, in the tabletop's target worlds.

200 self-rollouts, 1,000 updates on them, then 8 rollouts and 40 updates at a time (RankQ, App. C).
The budget `cores` is four arms for two CPU cores, `carrot` the part of it on which values are chosen;
`accelerator` has all seven arms of the paper. `paper` has its batches and rates.
"""

from rankq_jax.launch import Job, arm

SEEDS = 3
TASKS = ("carrot-on-plate", "cube-stacking", "spoon-in-bowl")
FOUR = ("rankq", "cql", "cal_ql", "sac_off")
SEVEN = (*FOUR, "rankq_sac", "cql_sac", "cal_ql_sac")


def _jobs(tasks: tuple[str, ...], arms: tuple[str, ...], words: str = "") -> list[Job]:
    named = [f"widowx-{task}-target{words}" for task in tasks]
    return [arm(name, task, {"seeds": SEEDS}) for task in named for name in arms]


BUDGETS = {
    "cores": _jobs(TASKS, FOUR),
    "carrot": _jobs(TASKS[:1], FOUR),
    "accelerator": _jobs(TASKS, SEVEN),
    "paper": _jobs(TASKS, SEVEN, ",paper"),
}
