"""What a run acts on, and everything that its rest depends on."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from rankq_jax.envs.rollout import Recorder
from rankq_jax.parallel import Layout
from rankq_jax.types import BatchEnv, EnvState, Episodes, Transition


class World(NamedTuple):
    """What a run acts on and learns from.

    Attributes:
      env: rows that data is collected from, `S * n` of them, those of one seed together.
      evaluation_env: rows that are evaluated, likewise.
      dataset: offline data, numpy leaves `[N, ...]`.
      prepare: labels whole online episodes exactly as the dataset was labelled.
      capacity: transitions that the replay buffer of a seed holds.
      seeds: the S seeds, distinct.
      acting: the device that policies act on, on parameters that are copied there once a round. None: where
        they are trained. Another one leaves the first free for the updates of an overlapping phase.
    """

    env: BatchEnv
    evaluation_env: BatchEnv
    dataset: Transition
    prepare: Callable[[Episodes], Transition]
    capacity: int
    seeds: Sequence[int]
    acting: jax.Device | None = None


class Progress(NamedTuple):
    """Where a run is. Plain numbers; counts are per seed."""

    phase: int = 0
    round: int = 0
    updates: int = 0
    env_steps: int = 0
    phase_env_steps: int = 0
    owed: float = 0.0


class RunState(NamedTuple):
    """Everything that the rest of a run depends on, besides its configuration and its dataset."""

    agent: Any
    buffer: Any
    env: EnvState
    recorder: Recorder
    progress: Progress
    labels: Any  # state of the labeller of the plan, on the host; empty without one


def portable(state: RunState, layout: Layout) -> RunState:
    """`state` with `[S, ...]` leaves, for a checkpoint that any number of devices can restore."""
    return state._replace(agent=layout.merge(state.agent), buffer=layout.merge(state.buffer))


def restored(parts: Mapping[str, Any], layout: Layout) -> RunState:
    """The state whose `portable` form was saved as `parts`, on the devices of `layout`."""
    state = RunState(**parts)
    progress = Progress(*(np.asarray(number).item() for number in state.progress))
    agent, buffer = layout.split(state.agent), layout.split(state.buffer)
    return state._replace(agent=agent, buffer=buffer, progress=progress)
