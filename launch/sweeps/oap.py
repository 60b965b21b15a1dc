"""The five training schemes of the OAP paper, its variants and faulty annotators: docs/results/oap.md.

The limit of questions is the number of environment steps of the schemes that step; asked in ten rounds, the
last of which would come when training is over and is left out. Every run makes as many updates offline, or
online where it has no offline phase. The expert is the first run, RankQ's, which is the framework's own.
"""

from rankq_jax.launch import Job, arm

SEEDS = 3
TASK = "pointmaze-umaze"
UPDATES = 4_000
INTERACTIONS = 2_000  # environment steps, or questions
ROUNDS = 10  # of questions, spaced over the updates

_COMMON = {"seeds": SEEDS}
_OFFLINE = {**_COMMON, "offline.updates": UPDATES, "offline.updates_per_iteration": UPDATES // ROUNDS}
_ONLINE = {**_COMMON, "online.env_steps": INTERACTIONS, "online.updates_per_step": UPDATES / INTERACTIONS}
_BOTH = {**_OFFLINE, "online.env_steps": INTERACTIONS}
_EXPERT = "rankq"
_OAP = {
    **_OFFLINE,
    "preferences.expert": f"{{out}}/{_EXPERT}_{TASK}",
    "preferences.query_limit": INTERACTIONS,
    "preferences.query_interval": UPDATES // ROUNDS,
}


def _oap(config: str, variant: str, **preferences: object) -> Job:
    changed = {f"preferences.{field}": value for field, value in preferences.items()}
    return arm(config, TASK, {**_OAP, **changed}, variant)


BUDGETS = {
    "cores": [
        arm(_EXPERT, TASK, _BOTH),
        # The five schemes, on TD3+BC
        arm("td3_bc", f"{TASK},offline", _OFFLINE, "td3_bc_offline"),
        arm("td3_bc", f"{TASK},online", _ONLINE, "td3_bc_online"),
        arm("td3_bc", f"{TASK},online_mix", _ONLINE, "td3_bc_online_mix"),
        arm("td3_bc", f"{TASK},offline_to_online", _BOTH, "td3_bc_offline_to_online"),
        _oap("oap_td3_bc", "oap_td3_bc"),
        # Faulty annotators
        _oap("oap_td3_bc", "oap_td3_bc_flipped_10", flipped_answers=0.1),
        _oap("oap_td3_bc", "oap_td3_bc_flipped_30", flipped_answers=0.3),
        # Variants
        _oap("oap_td3_bc", "oap_td3_bc_no_rank_net", rank_net=False),
        _oap("oap_td3_bc", "oap_td3_bc_unlimited", query_limit=0),
        _oap("oap_td3_bc", "oap_td3_bc_all_at_once", all_at_once=UPDATES // 2),
        # On IQL
        arm("iql", f"{TASK},offline", _OFFLINE, "iql_offline"),
        arm("iql", f"{TASK},offline_to_online", _BOTH, "iql_offline_to_online"),
        _oap("oap_iql", "oap_iql"),
    ],
}
