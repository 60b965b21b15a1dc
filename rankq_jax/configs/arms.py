"""The arms of the comparisons by name: each row says only what differs from its algorithm's own values.

python -m experiments.train --config=rankq_sac:pointmaze-umaze --workdir=DIR

An algorithm without a row is an arm too, without changes.
"""

from collections.abc import Callable
from types import MappingProxyType
from typing import Any, NamedTuple

from rankq_jax.configs.domains.values import Values

DEFAULT_TASK = "pointmaze-umaze"
CONFIGS: dict[str, Callable[..., Any]] = {}  # those of other packages; see `registry.register_config`


class Product(NamedTuple):
    """A value that is the product of those of other fields, also of those that the command line changes."""

    factors: tuple[str, ...]


class Arm(NamedTuple):
    """A row of a comparison.

    Attributes:
      name: of the arm, in tables.
      algorithm: whose values it starts from.
      help: what it is, in a sentence.
      values: `{field: value}` that differ.
      words: that are added to those after the task.
      task: that it is for where none is named.
    """

    name: str
    algorithm: str
    help: str
    values: Values = MappingProxyType({})
    words: tuple[str, ...] = ()
    task: str = DEFAULT_TASK


_OFFLINE: Values = {"online.env_steps": 0}
_THEN_SAC: Values = {"online.algorithm": "sac"}

ARMS: dict[str, Arm] = {
    arm.name: arm
    for arm in (
        Arm("rankq", "rankq", "RankQ: TD learning and a ranking of perturbed actions, offline and online."),
        Arm("rankq_sac", "rankq", "RankQ on the dataset, then SAC with the same mixing ratio.", _THEN_SAC),
        Arm("rankq_sigma30", "rankq", "RankQ with twice the noise (App. D).", {"rankq.sigma": 0.30}),
        Arm("rankq_no_permuted", "rankq", "RankQ without another row's action (App. D).",
            {"rankq.permuted": False}),
        Arm("rankq_no_chain", "rankq", "RankQ without an order among the perturbed actions (App. D).",
            {"rankq.chain": False}),
        Arm("cql", "cql", "CQL(H) with importance sampling, offline and online."),
        Arm("cql_sac", "cql", "CQL on the dataset, then SAC with the same mixing ratio.", _THEN_SAC),
        Arm("cal_ql", "cal_ql", "Cal-QL: CQL that never pushes values below the return-to-go."),
        Arm("cal_ql_sac", "cal_ql", "Cal-QL on the dataset, then SAC with the same mixing ratio.", _THEN_SAC),
        Arm("sac", "sac", "SAC from scratch: online data only.", words=("online",)),
        Arm("sac_off", "sac", "SAC on the dataset, then on one merged buffer that starts as the dataset.",
            {"online.mixing_ratio": -1.0}),
        Arm("hybrid_rl", "sac", "Hybrid RL: the idea of Song et al. (arXiv 2210.06718) on SAC, half offline,"
            " half online batches, as the RankQ paper compares with it.", {"online.mixing_ratio": 0.5}),
        Arm("iql", "iql", "IQL: expectile value, advantage-weighted policy; then on one merged buffer."),
        Arm("awac", "awac", "AWAC; fine-tuned on one merged buffer."),
        Arm("td3_bc", "td3_bc", "TD3+BC; fine-tuned on one merged buffer."),
        Arm("rebrac", "rebrac", "ReBRAC; fine-tuned as in CORL: b_c = 0, b_a falls to half.", {
            "online.arguments.critic_weight": 0.0,
            "online.arguments.decay_from": Product(("offline.updates",)),
            "online.arguments.decay_updates": Product(("online.updates_per_step", "online.env_steps")),
        }),
        Arm("rlpd", "rlpd", "RLPD: no offline phase, half offline batches, ten critics, a UTD ratio of 20."),
        Arm("bc", "bc", "Behavior cloning of a deterministic policy; offline only.", _OFFLINE),
        Arm("bc_best10", "bc", "Behavior cloning of the best tenth of the trajectories; offline only.",
            {"keep_best": 0.1, **_OFFLINE}),
        # The Gaussian of IQL: the mean is squashed, the deviation is its own.
        Arm("bc_gaussian", "bc", "Behavior cloning of a Gaussian policy by likelihood; offline only.",
            {"networks": "iql", "bc.likelihood": True, **_OFFLINE}),
        Arm("flow_bc", "flow_bc", "Behavior cloning of a flow policy, by flow matching; offline"
            " only.", _OFFLINE),
        Arm("oap_iql", "oap_iql", "OAP on IQL: the policy regresses to the action that an expert prefers, the"
            " critic of config.preferences.expert."),
        Arm("oap_td3_bc", "oap_td3_bc", "OAP on TD3+BC: the policy is held to the action that an expert"
            " prefers, the critic of config.preferences.expert."),
        Arm("expert", "sac", "SAC from scratch on the task of an expert, whose behavior becomes data.",
            task="expert-ant"),
    )
}  # fmt: skip
