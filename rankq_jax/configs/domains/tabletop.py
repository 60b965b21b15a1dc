"""The tabletop: a 7-DOF arm, an image and an instruction, chunks of four actions."""

from rankq_jax.configs.domains.values import Values
from rankq_jax.envs.tabletop.variants import LARGE, NAMES, SEEING, TARGET

COMMON: Values = {
    "discount": 0.99,  # per chunk; Choi et al. (arXiv 2603.18532)
    "reward_scale": 1.0,
    "reward_bias": 0.0,
    "replay_capacity": 500_000,  # RankQ, table C.1
    "max_gradient_norm": 0.5,  # RankQ, table C.1
    "offline.updates": 1_000,
    "offline.updates_per_iteration": 500,
    "offline.updates_per_dispatch": 20,
    "offline.evaluate_every": 0,
    "offline.checkpoint_every": 1,
}

# SACFlow (RankQ, App. B and C): the head of a pretrained flow policy, and critics on its frozen backbone. The
# schedule is that of little data. What the paper does not say is ours, and so are rates and batch, which are
# for two cores and the small policy; the word `paper` has those of the paper.
CHUNKS, ENVS = 25, 8  # of an episode; of a seed
_CONSERVATIVE: Values = {
    "weight": 1.0,  # RankQ, table C.2
    "lagrange": False,  # RankQ, table C.2: no target action gap
    "samples": 10,  # RankQ, App. C
    "next_samples": False,  # RankQ, App. C: 20 evaluations, 10 of the policy and 10 uniform
    # 42.7 nats lie between the densities of a uniform chunk and of one of the policy: weighed by them, only
    # uniform ones would count.
    "importance_sampling": False,
}
_SAC: Values = {
    "entropy": False,  # RankQ, App. B
    "backup_samples": 1,  # RankQ, App. C counts no further evaluations
    "target_rate": 0.05,  # the first critics look ahead by 0.05 chunks an update
    "critic_warmup": 600,  # the first critics would lead a pretrained policy astray
}
_FLOW: Values = {
    "dataset_steps": 0,  # RankQ, App. C: self-rollouts alone
    "flow_noise": True,
    "flow_steps": 1,  # RankQ, App. B
    "discount": 0.95,  # margins of the ranking add up over 1 / (1 - discount) chunks
    "batch_size": 128,
    "actor_learning_rate": 2e-6,  # 10 times that move the policy's actions by their noise in 100 updates
    "critic_learning_rate": 3e-4,
    "clip_groups": "networks",
    "critics": 2,
    "critic_hidden": (256, 256, 256),
    "train_envs": ENVS,
    "collect.env_steps": 200 * CHUNKS,  # RankQ, App. C
    "collect.env_steps_per_iteration": ENVS * CHUNKS,
    "offline.updates": 1_000,
    "online.env_steps": 800 * CHUNKS,  # RankQ, App. C
    "online.env_steps_per_iteration": 8 * CHUNKS,  # RankQ, App. C: 8 rollouts between updates
    "online.updates_per_step": 40 / (8 * CHUNKS),
    "online.updates_per_dispatch": 40,
    "online.mixing_ratio": -1.0,  # RankQ, tables C.2 and C.3
    "online.evaluate_every": 20,
    "online.checkpoint_every": 20,
    "diagnostics_every": 200,  # five in the offline phase, 20 online
    # An arm may go on with SAC, so that every one has all sections.
    **{
        f"{section}.{name}": value
        for section in ("sac", "cql", "cal_ql", "rankq")
        for name, value in _SAC.items()
    },
    **{f"{section}.{name}": value for section in ("cql", "cal_ql") for name, value in _CONSERVATIVE.items()},
    "rankq.sigma": 0.15,  # RankQ, table C.3
    "rankq.success_weight": 1.0,  # RankQ, table C.3: alpha_0
    "rankq.failure_weight": 1.0,  # RankQ, table C.3: alpha_1
}
ARMS = ("sac", "cql", "cal_ql", "rankq")  # algorithms that train SACFlow

ALGORITHMS: dict[str, Values] = {
    "sac": _FLOW,
    "cql": _FLOW,
    "cal_ql": _FLOW,
    "rankq": _FLOW,
    "iql": {},
    "td3_bc": {},
    "bc": {},
    "awac": {},
    "rlpd": {},
    "rebrac": {},
    "oap_iql": {},
    "oap_td3_bc": {},
    # Sizes for two cores; `vla-s`, of tasks that end with `-large`, wants batches of 256 and 6,000 updates on
    # an accelerator.
    # Images are not shifted: a pixel of 48 x 64 is 6 mm wide, and fingers have room for 12.
    "flow_bc": {
        "networks": "vla-xs",
        "batch_size": 64,
        "offline.updates": 24_000,
        "online.env_steps": 0,
        "actor_optimizer": "muon",  # half as many updates as Adam with 1e-3 for the same loss, or fewer
        "actor_learning_rate": 5e-3,
        "actor_cosine_decay": True,
        "actor_final_rate": 0.1,
        "actor_warmup": 200,
        "actor_weight_decay": 1e-4,
        "max_gradient_norm": 1.0,  # openpi
    },
}


def _seeing(networks: str, init_from: str = "", training: str = "cached") -> dict[str, Values]:
    """The networks of all that train a flow policy, and what fine-tuning begins with."""
    actions = "relative" if training == "cached" else "absolute"
    tuned = {
        "networks": networks,
        "init_from": init_from,
        "encoder_training": training,
        "critic_actions": actions,
    }
    return {"flow_bc": {"networks": networks}, **{arm: tuned for arm in ARMS}}


TASKS: dict[str, dict[str, Values]] = {
    **{
        f"widowx-{name}{ending}": _seeing("vla-xs", f"pretrained:vla-xs-{name}")
        for name in NAMES
        for ending in ("", TARGET)
    },
    # Poses have no pretrained policy, and their features are no smaller than they are.
    **{f"widowx-{name}-state": _seeing("vla-state", training="frozen") for name in NAMES},
    **{f"widowx-{name}{variant}{LARGE}": _seeing("vla-s") for name in NAMES for variant in SEEING},
}
_PAPER: Values = {
    "critic_actions": "absolute",
    "discount": 0.99,  # Choi et al. (arXiv 2603.18532)
    "batch_size": 960,  # RankQ, table C.1
    "actor_learning_rate": 2e-5,  # RankQ, table C.1
    "critic_learning_rate": 1e-4,  # RankQ, table C.1
    **{f"{arm}.target_rate": 0.005 for arm in ARMS},  # Cal-QL code
    **{f"{arm}.critic_warmup": 200 for arm in ARMS},
}
PAPER: dict[str, Values] = {"sac": _PAPER, "cql": _PAPER, "cal_ql": _PAPER, "rankq": _PAPER}

# Sim-to-real.
_RANDOMIZED: Values = {
    "batch_size": 1920,  # RankQ, table C.1
    "train_envs": 32,
    "collect.env_steps": 800 * CHUNKS,  # RankQ, App. C
    "collect.env_steps_per_iteration": 32 * CHUNKS,
    "offline.updates": 2_000,
    "online.env_steps": 9_600 * CHUNKS,
    "online.env_steps_per_iteration": 192 * CHUNKS,  # RankQ, App. C: 192 rollouts between updates
    "online.updates_per_step": 40 / (192 * CHUNKS),
    "online.evaluate_every": 10,
    "online.checkpoint_every": 10,
}
PAPER_TASKS: dict[str, dict[str, Values]] = {
    f"widowx-{name}-randomized": {arm: _RANDOMIZED for arm in ARMS} for name in NAMES
}
