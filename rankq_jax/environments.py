"""Environments as functions of one state, and what they return; letters of shapes as in `types`."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from rankq_jax.specs import TaskSpec


class EnvState(NamedTuple):
    """n environments as one value: read it out, set it back, and the future is the same.

    Where `BatchEnv.exact` is False it is the newest value only that can be stepped.

    Attributes:
      simulator: pytree of arrays `[n, ...]` that belongs to the simulator; nobody else reads it.
      step: `[n]` int32, steps since the reset.
      stream: `[n, 2]` uint64, seed and row: which random stream a row draws its resets from.
      episode: `[n]` int64, how many resets the stream has served. Resets are a pure function of
        `(stream, episode)`, so no generator needs saving.
      observation: `[n, *O]`, what the agent sees. Kept, because simulators report some quantities one
        substep late, so that it is no function of `simulator`.
      goal: `[n, G]` float64, what counts as success in the running episode; None where there is no goal.
    """

    simulator: Any
    step: np.ndarray
    stream: np.ndarray
    episode: np.ndarray
    observation: Any
    goal: np.ndarray | None = None


class Snapshot(NamedTuple):
    """Where m environments are in their episodes, small enough to be stored with every step of a dataset.

    Attributes:
      qpos: `[m, nq]` float64.
      qvel: `[m, nv]` float64.
      qacc_warmstart: `[m, nv]` float64, from where the solver starts; without it the future differs in the
        last digits.
      goal: `[m, G]` float64.
      step: `[m]` int32, steps since the reset.
    """

    qpos: np.ndarray
    qvel: np.ndarray
    qacc_warmstart: np.ndarray
    goal: np.ndarray
    step: np.ndarray


# What a dataset stores of a snapshot; the step follows from the row.
SIMULATOR_STATE = ("qpos", "qvel", "qacc_warmstart", "goal")


class Step(NamedTuple):
    """What one step of n environments returned. All before the automatic reset.

    Attributes:
      next_observation: `[n, *O]`.
      reward: `[n]` raw.
      terminated: `[n]` bool.
      truncated: `[n]` bool, never true together with `terminated`.
      success: `[n]` bool.
      info: further `[n, ...]` arrays by name, those of `BatchEnv.info`.
    """

    next_observation: Any
    reward: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray
    success: np.ndarray
    info: Mapping[str, np.ndarray] = {}


class BatchEnv(NamedTuple):
    """n environments stepped at once, as functions of one `EnvState`. Any simulator keeps this protocol.

    Attributes:
      reset: `streams [n, 2] -> EnvState`, every row at the start of its first episode.
      step: `(EnvState, action [n, *A], active [n] bool) -> (EnvState, Step)`; rows that are not active
        stay as they are, rows that end an episode are reset.
      spec: of observations and actions, and the time limit.
      rows: n.
      exact: whether an `EnvState` says everything. Where it does not, a run that is resumed begins its
        running episodes again, by `restart`.
      restart: `EnvState -> EnvState`, every row at the start of its next episode; None where `exact`.
      close: gives back processes and windows; None where there are none.
      place: `(EnvState, ids [m], Snapshot of m) -> EnvState`, the rows `ids` moved to where the snapshots
        were taken. The same actions then lead to the same states, bit for bit. None without MuJoCo.
      snapshot: `EnvState -> Snapshot` of all rows, or None like `place`.
      render: `(EnvState, row) -> picture [H, W, 3]` uint8 of one row, or None.
      limit: `steps -> BatchEnv`, the same environments with another time limit; ValueError where they cannot
        have it. None where the limit is fixed.
      info: shape per row of each further array that a step returns, by name; they are recorded with episodes.
    """

    reset: Callable[[np.ndarray], EnvState]
    step: Callable[[EnvState, np.ndarray, np.ndarray], tuple[EnvState, Step]]
    spec: TaskSpec
    rows: int
    exact: bool = True
    restart: Callable[[EnvState], EnvState] | None = None
    close: Callable[[], None] | None = None
    place: Callable[[EnvState, np.ndarray, Snapshot], EnvState] | None = None
    snapshot: Callable[[EnvState], Snapshot] | None = None
    render: Callable[[EnvState, int], np.ndarray] | None = None
    limit: Callable[[int], "BatchEnv"] | None = None
    info: Mapping[str, tuple[int, ...]] = {}

    @property
    def horizon(self) -> int:
        """Steps until truncation."""
        return self.spec.horizon

    @property
    def observation_size(self) -> int:
        """The numbers of an observation."""
        return self.spec.observation_size

    @property
    def action_size(self) -> int:
        """The numbers of an action."""
        return self.spec.action.size
