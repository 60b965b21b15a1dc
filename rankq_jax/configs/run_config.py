"""The configuration of a run as frozen dataclasses: the only thing that travels below the command line."""
# ruff: noqa: RUF009 -- `field` is a field of a dataclass

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from rankq_jax.bounds import (
    Count,
    Dropout,
    Finite,
    Members,
    NonNegative,
    Positive,
    Rate,
    Samples,
    Switch,
    UnitInterval,
    Whole,
    Widths,
)
from rankq_jax.configs import fields as kinds
from rankq_jax.configs.fields import defaults_of_sections, field
from rankq_jax.configs.phase_config import LEARNING, LENGTHS, CollectConfig, OfflineConfig, OnlineConfig
from rankq_jax.networks.mlp import LayerNorm
from rankq_jax.networks.vla.sizes import CriticActions
from rankq_jax.networks.vla.sizes import ReadoutName as Readout
from rankq_jax.writers import flattened


@dataclasses.dataclass(frozen=True)
class ExecutionConfig:
    """How a run is computed: its speed, and its results by rounding; `auto` is the faster one of a device."""

    seeds: kinds.SeedsExecution = field("auto", "The seeds of a device train batched or sequential.")
    critics: kinds.CriticsExecution = field("auto", "The members of a critic are batched or unrolled.")
    draws: kinds.Draws = field("auto", "Random numbers are drawn before the updates, or within them.")
    acting: kinds.Acting = field("auto", "The policy acts on the device that trains, or on the host's CPU.")
    evaluation: kinds.EvaluationOrder = field(
        "auto", "Evaluations run beside the training that follows, or before it."
    )
    compute_dtype: kinds.ComputeType = field("float32", "The type in which hidden layers compute.")
    matmul_precision: kinds.Precision = field("default", "The jax.lax.Precision of matrix products.")


@dataclasses.dataclass(frozen=True)
class PreferencesConfig:
    """Whom oap_td3_bc and oap_iql ask, and how often (OAP, table 5 and Alg. 1)."""

    expert: kinds.Line = field("", "The --workdir of the finished run whose first seed's critic answers.")
    query_limit: Whole = field(
        100_000, "The number of questions over the whole run; 0 asks about every row.", "questions per seed"
    )
    query_interval: Count = field(100_000, "The number of updates between rounds of questions.", "updates")
    all_at_once: Whole = field(
        0, "The update after which the whole limit is asked at once; 0 spaces the rounds.", "updates"
    )
    flipped_answers: UnitInterval = field(0.0, "The share of answers that are wrong.")
    rank_net: Switch = field(True, "A ranking network learns from the answers and labels the other rows.")
    rank_net_hidden: Widths = field((512, 256), "The widths of the hidden layers of the ranking network.")
    rank_net_dropout: Dropout = field(0.5, "The dropout rate of the ranking network.")
    rank_net_epochs: Count = field(100, "The largest number of epochs of a round of questions.", "epochs")


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """Everything that a run depends on.

    Attributes:
      sections: `{algorithm: {argument: value}}`; a phase reads the section of its algorithm.
    """

    task: kinds.TaskName = field("pointmaze-umaze", "The task, by its name in rankq_jax.tasks.")
    horizon: Whole = field(
        0, "The length at which an episode is truncated; 0 takes the task's own.", "environment steps"
    )
    algorithm: kinds.Algorithm = field("sac", "The algorithm of the phases that name no other.")
    name: kinds.Name = field("sac", "The name of the arm in tables.")
    seed: kinds.Seed = field(0, "The first seed.")
    seeds: Count = field(1, "The number of seeds that one program trains: seed, seed + 1, ...")
    parallel: kinds.Parallel = field(
        "seeds", "Devices share the seeds, or the batch of one seed, between them."
    )
    threads: kinds.Threads = field(0, "The number of threads of the environments; 0 uses every core.")
    execution: ExecutionConfig = dataclasses.field(default_factory=ExecutionConfig)
    init_from: kinds.Line = field("", "The run (its newest weights) or file of weights to begin with.")
    init_parts: kinds.InitParts = field("all", "All that fits is taken from that run, or its policy only.")

    dataset: kinds.Line = field(
        "", "Names and paths of datasets, with commas between; empty takes the task's own, made on first use."
    )
    dataset_kind: kinds.Name = field("", "The way in which the task's own dataset is made; empty: its first.")
    dataset_keys: kinds.Line = field(
        "", "The observations that are joined to one vector, by their names, e.g. position+velocity."
    )
    clip_actions: Switch = field(False, "Recorded actions beyond the limits are clipped, not refused.")
    dataset_reading: kinds.Reading = field("task", "The rule for successes, terminals and trajectories.")
    dataset_steps: kinds.Steps = field(
        100_000, "The size of the dataset that is made; 0: the run has what it collects.", "transitions"
    )
    dataset_seed: kinds.Seed = field(0, "The seed of the dataset that is made.")
    dataset_storage: kinds.Storage = field(
        "memory", "The labeled dataset is held in memory, or stays on disk and is read as it is drawn."
    )
    keep_best: Rate = field(1.0, "The share of trajectories that is kept, those of the highest return.")
    success_weight: kinds.SuccessWeight = field(
        "given", "RankQ's alpha_0 is given in its section, or balanced: 1 / share of success rows."
    )
    normalize_observations: Switch = field(
        False, "Observations are scaled by mean and deviation of the dataset."
    )

    reward_scale: Positive = field(1.0, "The factor of the reward: scale * raw + bias is learned from.")
    reward_scaling: kinds.RewardScaling = field(
        "given", "The factor is given, or such that the returns of the dataset span 1,000 (IQL on MuJoCo)."
    )
    reward_bias: Finite = field(0.0, "The number that is added to the scaled reward.")
    discount: kinds.Discount = field(0.99, "The discount factor gamma.", "per environment step")
    batch_size: Count = field(256, "The number of transitions in a batch, over all devices.", "transitions")
    networks: kinds.Family = field("cal_ql", "The published code whose heads and first weights are taken.")
    actor_hidden: Widths = field((256, 256), "The widths of the hidden layers of the policy.")
    critic_hidden: Widths = field((256, 256), "The widths of the hidden layers of critics and state value.")
    critics: Members = field(2, "The number of members of the critic ensemble.")
    critic_layer_norm: LayerNorm = field("none", "Layer normalization stands before or after each ReLU.")
    actor_dropout: Dropout = field(0.0, "The dropout rate of the policy's hidden layers.")
    flow_noise: Switch = field(False, "The steps of a flow policy end with noise, as actor-critics need.")
    flow_steps: Samples = field(1, "The number of steps of a flow policy with noise.", "Euler steps")
    readout: Readout = field("flat", "What critics see of vla tokens: each, their mean, or the last one.")
    critic_actions: CriticActions = field(
        "absolute", "Critics see an action, or how far it is from what the first policy would do."
    )
    encoder: kinds.Encoder = field("auto", "What networks see an observation through; auto: images by a CNN.")
    encoder_filters: Widths = field((32, 32, 32, 32), "The filters of the convolutions of the CNN.")
    encoder_features: Count = field(50, "The number of features that the CNN makes of an image.")
    encoder_training: kinds.EncoderTraining = field(
        "separate", "Who trains encoders; a cached one is frozen, and sees each observation once."
    )
    image_shift: kinds.Shift = field(0, "The farthest that images are moved in updates (DrQ).", "pixels")
    color_jitter: Dropout = field(
        0.0, "The largest change of brightness, contrast and saturation in updates; 0 changes none."
    )
    actor_learning_rate: kinds.LearningRate = field(3e-4, "The rate of the policy and of the temperature.")
    actor_optimizer: kinds.Optimizer = field("adam", "The policy's: Adam, or Muon (matrices) and Adam.")
    actor_cosine_decay: Switch = field(
        False, "The policy's learning rate falls to 0 over the updates of a run that is offline only."
    )
    actor_final_rate: UnitInterval = field(0.0, "The share of the learning rate that the decay ends at.")
    actor_warmup: Whole = field(0, "The time in which the policy's learning rate rises from 0.", "updates")
    actor_weight_decay: NonNegative = field(0.0, "The weight decay of the policy, decoupled as in AdamW.")
    critic_learning_rate: kinds.LearningRate = field(
        3e-4, "The learning rate of critics, of the CQL multiplier and of IQL's state value."
    )
    max_gradient_norm: NonNegative = field(0.0, "The largest norm of a group of gradients; 0 clips nothing.")
    clip_groups: kinds.ClipGroups = field(
        "networks", "Gradients are clipped by network, or by optimizer: members and duals by themselves too."
    )
    replay_capacity: Count = field(1_000_000, "The size of the replay buffer.", "transitions per seed")
    train_envs: Count = field(4, "The number of environments that collect data.", "environments per seed")

    preferences: PreferencesConfig = dataclasses.field(default_factory=PreferencesConfig)
    collect: CollectConfig = dataclasses.field(default_factory=CollectConfig)
    offline: OfflineConfig = dataclasses.field(default_factory=OfflineConfig)
    online: OnlineConfig = dataclasses.field(default_factory=OnlineConfig)
    evaluation_episodes: Count = field(100, "The number of episodes of an evaluation.", "episodes per seed")
    diagnostics_every: Whole = field(1_000, "The interval of diagnostics of the critic; 0: none.", "updates")
    checkpoint_minutes: kinds.Minutes = field(
        5.0, "The longest time between checkpoints; those of the phases come besides.", "minutes"
    )
    keep_checkpoints: Count = field(2, "The number of newest checkpoints that are kept.")
    keep_best_checkpoints: Whole = field(
        1, "The number of checkpoints that are kept for their success rate (return, where there is none)."
    )
    restarts: kinds.Restarts = field(
        0, "The number of restarts after bad numbers, from the last of checkpoint_every, with other keys."
    )
    sections: Mapping[str, Mapping[str, Any]] = dataclasses.field(
        default_factory=lambda: MappingProxyType(defaults_of_sections())
    )

    def to_dict(self) -> dict[str, Any]:
        """The values in nested dictionaries, the sections of the algorithms by name beside the others."""
        values: dict[str, Any] = _plain(self)
        sections = values.pop("sections")
        return {**values, **sections}

    def flat(self) -> dict[str, Any]:
        """The values by the names of their fields, with dots between the names."""
        return flattened(self.to_dict())


SHARED = kinds.fields_of(RunConfig)
ARGUMENTS = "online.arguments."  # begins the names of the online phase's own arguments
PARTS = {"execution": ExecutionConfig, "preferences": PreferencesConfig, "collect": CollectConfig,
          "offline": OfflineConfig, "online": OnlineConfig}  # fmt: skip


def phases_of(config: RunConfig) -> dict[str, str]:
    """`{phase: algorithm}` of the phases that the configuration has, in their order.

    A phase without updates has the algorithm of the phase after it.
    """
    lasting = [name for name, length in LENGTHS.items() if getattr(getattr(config, name), length) > 0]
    own = {name: getattr(config, name).algorithm or config.algorithm for name in lasting if name in LEARNING}
    first = next(iter(own.values()), config.algorithm)
    return {name: own.get(name, first) for name in lasting}


def learning_phase(config: RunConfig, phase: str) -> str:
    """The phase whose agent acts in a phase: itself or, where it has no updates, the first that has some."""
    learning = [name for name in phases_of(config) if name in LEARNING]
    return phase if phase in learning or not learning else learning[0]


def has_dataset(config: RunConfig) -> bool:
    """Whether a dataset is given or made; without one all batches come from what the run collects."""
    return bool(config.dataset) or config.dataset_steps > 0


def algorithms_of(config: RunConfig) -> list[str]:
    """Names of the algorithms of the phases that the configuration has, in the order of the phases."""
    return list(phases_of(config).values())


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        value = {entry.name: getattr(value, entry.name) for entry in dataclasses.fields(value)}
    return {name: _plain(inner) for name, inner in value.items()} if isinstance(value, Mapping) else value
