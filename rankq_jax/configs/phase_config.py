"""The phases of a configuration in their order, each as a section of fields."""
# ruff: noqa: RUF009 -- `field` is a field of a dataclass

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from rankq_jax.bounds import Count, Switch, Whole
from rankq_jax.configs import fields as kinds
from rankq_jax.configs.fields import field

# Of a phase, what says whether there is one.
LENGTHS = {"collect": "env_steps", "offline": "updates", "online": "env_steps"}
LEARNING = ("offline", "online")  # those with updates


@dataclasses.dataclass(frozen=True)
class CollectConfig:
    """The phase that collects episodes with the first policy, before anything is learned.

    It acts as the agent of the phase after it.
    """

    env_steps: Whole = field(0, "The length of the phase; 0 leaves it out.", "environment steps per seed")
    env_steps_per_iteration: Count = field(200, "The length of an iteration.", "environment steps per seed")


@dataclasses.dataclass(frozen=True)
class OfflineConfig:
    """The phase on the dataset, and on what was collected before it."""

    algorithm: kinds.PhaseAlgorithm = field("", "The algorithm of this phase; empty takes config.algorithm.")
    updates: Whole = field(8_000, "The length of the phase; 0 leaves it out.", "updates")
    updates_per_iteration: Count = field(1_000, "The length of an iteration.", "updates")
    updates_per_dispatch: kinds.Dispatch = field(
        100, "The number of updates of one program; a run that is asked to stop finishes two.", "updates"
    )
    evaluate_every: Whole = field(2, "The interval of evaluations; 0: only at the end.", "iterations")
    checkpoint_every: Whole = field(4, "The interval of checkpoints; 0: only at the end.", "iterations")


@dataclasses.dataclass(frozen=True)
class OnlineConfig:
    """The phase that collects data."""

    algorithm: kinds.PhaseAlgorithm = field("", "The algorithm of this phase; empty takes config.algorithm.")
    env_steps: Whole = field(4_000, "The length of the phase; 0 leaves it out.", "environment steps per seed")
    env_steps_per_iteration: Count = field(200, "The length of an iteration.", "environment steps per seed")
    updates_per_step: kinds.PerStep = field(1.0, "The number of updates per environment step (UTD ratio).")
    updates_per_dispatch: kinds.Dispatch = field(100, "The number of updates of one program.", "updates")
    overlap: Switch = field(False, "Data is collected while updates run, which see it one iteration later.")
    mixing_ratio: kinds.Mixing = field(
        0.5, "The share of offline rows in a batch; -1 takes the dataset's share of all rows so far."
    )
    merged_exactly: Switch = field(
        True, "With mixing_ratio=-1 each row is drawn by chance from one buffer; else by a floored share."
    )
    mixing_ratio_final: kinds.Mixing = field(
        0.5, "The ratio that is reached, linearly, after mixing_anneal steps."
    )
    mixing_anneal: Whole = field(0, "The time over which the ratio moves; 0 keeps it.", "environment steps")
    terminates: Switch = field(True, "A success ends the episode that data is collected in.")
    warmup: Whole = field(0, "The number of steps before the first online update.", "environment steps")
    evaluate_every: Whole = field(10, "The interval of evaluations; 0: only at the end.", "iterations")
    checkpoint_every: Whole = field(20, "The interval of checkpoints; 0: only at the end.", "iterations")
    # Arguments of the agent, in place of those in its section.
    arguments: Mapping[str, Any] = dataclasses.field(default_factory=lambda: MappingProxyType({}))
