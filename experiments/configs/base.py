"""Every configuration field, with its default. The other files here are deltas on this one.

The part after the colon of `--config=FILE:TASK,smoke` names the task; `smoke` shrinks the run to seconds.
"""

import ml_collections

from rankq_jax import tasks
from rankq_jax.errors import InputError, suggestion

DEFAULT_TASK = "pointmaze-umaze"

# What all soft actor-critic agents share (algorithms of the Cal-QL code and of the RankQ paper).
SAC = dict(
    backup_samples=10,  # max-target backup, on in the Cal-QL code for every algorithm
    backup_entropy=False,
    target_entropy=-1.0,  # nats per action dimension
    # 0.005 in the papers, whose runs are a hundred times longer: values settle over
    # 1 / (target_rate * (1 - discount)) updates, 5,000 here and 20,000 there.
    target_rate=0.02,
)
# The AntMaze values of the Cal-QL paper.
CONSERVATIVE = dict(
    weight=5.0,
    lagrange=True,
    lagrange_threshold=0.8,
    samples=10,  # actions in each of three sets
    temperature=1.0,
    importance_sampling=True,
)


def get_config(argument: str = DEFAULT_TASK) -> ml_collections.ConfigDict:
    """The configuration of plain SAC on a task.

    Raises:
      InputError: if `argument` names an unknown task or option.
    """
    name, *words = argument.split(",")
    task = tasks.find(name)
    for word in words:
        if word != "smoke":
            raise InputError(f"unknown option {word!r} in {argument!r}.{suggestion(word, ['smoke'])}")
    config = ml_collections.ConfigDict()
    config.task = task.name
    config.algorithm = "sac"  # name in rankq_jax.agents.AGENTS, used where a phase names none
    config.seed = 0  # the first seed
    config.seeds = 1  # how many seeds are trained in one program: seed, seed + 1, ...
    config.parallel = "seeds"  # "seeds": seeds over devices; "batch": one seed, its batch over devices
    config.threads = 0  # of the environments; 0 uses every core

    config.dataset = ""  # Minari name; empty: the task's own, made on first use
    config.dataset_steps = task.dataset_steps  # transitions of the dataset that is made
    config.dataset_seed = 0

    config.reward_scale = task.transform.scale  # training reward = scale * raw + bias
    config.reward_bias = task.transform.bias
    config.discount = 0.99  # per environment step
    config.batch_size = 256  # over all devices
    config.actor_hidden = (128, 128)
    config.critic_hidden = (128, 128)
    config.critics = 2
    config.actor_learning_rate = 3e-4  # also of the temperature; 1e-4 on AntMaze (RankQ, table C.1)
    config.critic_learning_rate = 3e-4  # RankQ, table C.1; also of the CQL multiplier (Cal-QL code)
    config.max_gradient_norm = 1.0  # RankQ, table C.1; here per network; 0 clips nothing
    config.replay_capacity = 1_000_000  # transitions per seed
    config.train_envs = 4  # environments per seed that data is collected from

    # Arguments of each agent, by algorithm. A phase reads the section of its own algorithm.
    config.sac = dict(SAC)
    config.cql = dict(SAC, **CONSERVATIVE)
    config.cal_ql = dict(SAC, **CONSERVATIVE)
    config.rankq = dict(SAC, sigma=0.15, success_weight=1.0, failure_weight=1.0)

    config.offline = dict(
        algorithm="",  # empty: config.algorithm
        updates=8_000,
        updates_per_round=1_000,
        evaluate_every=2,  # rounds; 0: at the end alone
        checkpoint_every=4,
    )
    config.online = dict(
        algorithm="",
        env_steps=4_000,  # per seed; 0: no online phase
        env_steps_per_round=200,  # per seed, over its train_envs
        updates_per_step=1.0,
        updates_per_dispatch=200,
        mixing_ratio=0.5,  # share of offline rows in a batch; -1: as in one merged buffer
        mixing_ratio_final=0.5,  # what the ratio has moved to, linearly, after mixing_anneal steps
        mixing_anneal=0,  # environment steps; 0: the ratio stays
        warmup=0,  # environment steps before the first online update
        evaluate_every=10,
        checkpoint_every=20,
    )
    config.evaluation_episodes = 100
    config.keep_checkpoints = 2
    return smoke(config) if words else config


def smoke(config: ml_collections.ConfigDict) -> ml_collections.ConfigDict:
    """`config` shrunk to a run of seconds that still goes through everything."""
    config.dataset_steps = min(config.dataset_steps, 12_000)
    config.actor_hidden = config.critic_hidden = (32, 32)
    config.batch_size = 32
    config.evaluation_episodes = 4
    config.train_envs = 2
    config.replay_capacity = 5_000
    config.offline.update(dict(updates=40, updates_per_round=20, evaluate_every=1))
    config.online.update(
        dict(env_steps=1_800, env_steps_per_round=600, updates_per_step=0.02, updates_per_dispatch=4)
    )
    return config
