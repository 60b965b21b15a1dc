"""Every configuration field, with its default. The other files here are deltas on this one.

The part after the colon of `--config=FILE:TASK,WORD,...` names the task and, with words, a variant of the
run: `smoke` shrinks it to seconds, `paper` gives it the data, lengths and networks of the papers, and
`offline`, `online`, `online_mix`, `offline_to_online` are the training schemes that the OAP paper compares.

Values that depend on the domain of the task lie in `domains/`, each beside its source.
"""

from typing import Any

import ml_collections

from rankq_jax import tasks
from rankq_jax.agents import AGENTS
from rankq_jax.bounds import arguments
from rankq_jax.configs import domains
from rankq_jax.errors import InputError, suggestion
from rankq_jax.tasks import datasets

DEFAULT_TASK = "pointmaze-umaze"
WORDS = ("smoke", "paper", "offline", "online", "online_mix", "offline_to_online")

CAL_QL_CODE = ("sac", "cql", "cal_ql", "rankq")  # what the Cal-QL code trains, and RankQ, built on it


# Arguments of each agent, by algorithm: those of a call in Python, with the same defaults. A phase reads the
# section of its own algorithm.
def sections() -> dict[str, dict[str, Any]]:
    """The arguments of every registered algorithm, with their defaults."""
    return {
        algorithm: {name: it.default for name, it in arguments(spec.make).items() if it.bound is not None}
        for algorithm, spec in AGENTS.items()
    }


SECTIONS = sections()


def get_config(argument: str = DEFAULT_TASK, algorithm: str = "sac") -> ml_collections.ConfigDict:
    """The configuration of an algorithm on a task.

    Raises:
      InputError: if `argument` names an unknown task or option.
    """
    name, *words = argument.split(",")
    task = tasks.find(name)
    for word in words:
        if word not in WORDS:
            raise InputError(f"unknown option {word!r} in {argument!r}.{suggestion(word, WORDS)}")
    config = defaults(task, algorithm)
    domains.apply(config, task.domain, algorithm, task.name, paper="paper" in words)
    for word in words:
        if word in SCHEMES:
            config.update_from_flattened_dict(SCHEMES[word])
    return smoke(config) if "smoke" in words else config


def defaults(task: tasks.Task, algorithm: str) -> ml_collections.ConfigDict:
    """Every field, before the domain of the task has its say."""
    config = ml_collections.ConfigDict()
    config.task = task.name
    config.algorithm = algorithm  # name in rankq_jax.agents.AGENTS, used where a phase names none
    config.name = algorithm  # of the arm, in tables
    config.seed = 0  # the first seed
    config.seeds = 1  # how many seeds are trained in one program: seed, seed + 1, ...
    config.parallel = "seeds"  # "seeds": seeds over devices; "batch": one seed, its batch over devices
    config.threads = 0  # of the environments; 0 uses every core
    # Speed, and results by rounding; "auto" is what was measured to be fastest: training/execution.py.
    config.execution = dict(
        seeds="auto",  # of one device: "batched" or "sequential"
        critics="auto",  # the members: "batched" or "unrolled"
        acting="auto",  # "device": where it trains; "host": on the CPU
        compute_dtype="float32",  # "bfloat16": hidden layers of the networks
        matmul_precision="default",  # "high", "highest": jax.lax.Precision
    )

    config.dataset = ""  # names and paths, with commas between; empty: the task's own, made on first use
    config.dataset_kind = ""  # way in which the task's own is made; empty: its first
    config.dataset_reading = "task"  # what is a success and a terminal in it: data/readings.py
    config.dataset_steps = datasets.default_steps(task)  # transitions of the dataset that is made
    config.dataset_seed = 0
    config.keep_best = 1.0  # share of the trajectories that is kept, those of the highest return
    # Of RankQ's alpha_0: "given" in its section, or "balanced", 1 / share of success rows of the dataset.
    config.success_weight = "given"
    config.standardise = False  # observations, by mean and deviation of the dataset

    config.reward_scale = task.transform.scale  # training reward = scale * raw + bias
    config.reward_bias = task.transform.bias
    config.discount = 0.99  # per environment step
    config.batch_size = 256  # over all devices
    config.networks = (
        AGENTS[algorithm].networks if algorithm in AGENTS else "cal_ql"
    )  # family of heads and first weights
    config.actor_hidden = (256, 256)
    config.critic_hidden = (256, 256)
    config.critics = 2
    config.critic_layer_norm = "none"  # "before" or "after" each ReLU
    config.actor_dropout = 0.0
    config.actor_learning_rate = 3e-4  # also of the temperature
    config.actor_cosine_decay = False  # to 0 over the updates of a run that is offline alone
    config.critic_learning_rate = 3e-4  # also of the CQL multiplier (Cal-QL code) and of IQL's state value
    config.max_gradient_norm = 0.0  # global norm of a group; 0 clips nothing
    # "networks": policy, critic, value, and no dual variable; "optimisers": each critic member and each dual
    # variable by itself too, which have optimisers of their own in the Cal-QL code.
    config.clip_groups = "networks"
    config.replay_capacity = 1_000_000  # transitions per seed
    config.train_envs = 4  # environments per seed that data is collected from

    for section, values in sections().items():
        config[section] = dict(values)

    # Whom oap_td3_bc and oap_iql ask (OAP, tables 5 and Alg. 1).
    config.preferences = dict(
        expert="",  # --workdir of a finished run, whose first seed's critic answers
        query_limit=100_000,  # questions per seed over the whole run; 0: every row in every round
        query_interval=100_000,  # updates between rounds of questions
        all_at_once=0,  # ask the whole limit once, after so many updates; 0: spaced
        flipped_answers=0.0,  # share of wrong answers
        rank_net=True,  # learn from the answers and label the other rows
        rank_net_hidden=(512, 256),
        rank_net_dropout=0.5,
        rank_net_epochs=100,  # per round, at most
    )

    config.offline = dict(
        algorithm="",  # empty: config.algorithm
        updates=8_000,
        updates_per_round=1_000,
        updates_per_dispatch=100,  # at most a round; a run that is asked to stop finishes two at most
        evaluate_every=2,  # rounds; 0: at the end alone
        checkpoint_every=4,
    )
    config.online = dict(
        algorithm="",
        env_steps=4_000,  # per seed; 0: no online phase
        env_steps_per_round=200,  # per seed, over its train_envs
        updates_per_step=1.0,
        updates_per_dispatch=100,
        overlap=False,  # collect while updating: updates then see the episodes up to the round before
        mixing_ratio=0.5,  # share of offline rows in a batch; -1: the dataset's share of all rows so far
        # With mixing_ratio=-1. False: floor(batch * share) offline rows (Cal-QL code); True: each row by
        # chance, from one buffer that began with the dataset (IQL code, CORL).
        merged_exactly=algorithm not in CAL_QL_CODE,
        mixing_ratio_final=0.5,  # what the ratio has moved to, linearly, after mixing_anneal steps
        mixing_anneal=0,  # environment steps; 0: the ratio stays
        terminates=True,  # a success ends the episode that data is collected in; False: its time limit alone
        warmup=0,  # environment steps before the first online update
        evaluate_every=10,
        checkpoint_every=20,
        arguments=dict(),  # of the agent, in place of those in its section
    )
    config.evaluation_episodes = 100
    config.checkpoint_minutes = 5.0  # at most, between checkpoints; those of the phases come besides
    config.keep_checkpoints = 2  # the newest
    config.keep_best_checkpoints = 1  # of the highest success rate (return, where a task has no success)
    config.restarts = 0  # after bad numbers: from the last of checkpoint_every, with other random numbers
    return config


# Table 1 of the OAP paper.
SCHEMES: dict[str, dict[str, Any]] = {
    "offline": {"online.env_steps": 0},
    # One environment, because its batches wait for the first ended episode.
    "online": {"offline.updates": 0, "online.mixing_ratio": 0.0, "train_envs": 1},
    "online_mix": {"offline.updates": 0, "online.mixing_ratio": -1.0},
    "offline_to_online": {"online.mixing_ratio": -1.0},
}


def smoke(config: ml_collections.ConfigDict) -> ml_collections.ConfigDict:
    """`config` shrunk to a run of seconds that still goes through every phase that it has."""
    config.dataset_steps = min(config.dataset_steps, 12_000)
    config.actor_hidden = config.critic_hidden = (32, 32)
    config.batch_size = 32
    config.evaluation_episodes = 4
    config.replay_capacity = 5_000
    # Without offline rows updates wait for the first ended episode.
    config.train_envs = 1 if config.online.mixing_ratio == 0.0 else min(config.train_envs, 2)
    config.preferences.update(
        dict(query_limit=200, query_interval=20, rank_net_hidden=(16, 16), rank_net_epochs=3)
    )
    config.offline.update(
        dict(updates=min(config.offline.updates, 40), updates_per_round=20, evaluate_every=1)
    )
    config.online.update(
        dict(
            env_steps=min(config.online.env_steps, 1_800),
            env_steps_per_round=600,
            updates_per_step=0.02,
            updates_per_dispatch=4,
            warmup=min(config.online.warmup, 600),
        )
    )
    return config
