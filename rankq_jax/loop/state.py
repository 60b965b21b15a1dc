"""What a run acts on, and everything that its rest depends on."""

import enum
import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from rankq_jax.checkpoints import ReplaySnapshot, Rows
from rankq_jax.data import buffer as ring
from rankq_jax.data.intake import ROWS_PER_BLOCK, stacked
from rankq_jax.environments import BatchEnv, EnvState
from rankq_jax.envs.rollout import Recorder, recorder
from rankq_jax.metrics import check_finite
from rankq_jax.parallel import Layout
from rankq_jax.types import Episodes, Transition


class Setup(NamedTuple):
    """What a run acts on and learns from.

    Attributes:
      env: rows that data is collected from, `S * n` of them, those of one seed together.
      evaluation_env: rows that are evaluated, likewise; None where a task has nothing to be evaluated in.
      dataset: offline data, numpy leaves `[N, ...]`.
      prepare: labels whole online episodes exactly as the dataset was labeled.
      capacity: transitions that the replay buffer of a seed holds.
      seeds: the S seeds, distinct.
      acting: the device that policies act on, on parameters that are copied there once an iteration.
        None: where they are trained. Another one leaves the first free for overlapping updates.
      measure: what an evaluation reports of an episode, `{name: number}`.
    """

    env: BatchEnv
    evaluation_env: BatchEnv | None
    dataset: Transition
    prepare: Callable[[Episodes], Transition]
    capacity: int
    seeds: Sequence[int]
    acting: jax.Device | None = None
    measure: Callable[[Episodes], Mapping[str, Any]] = lambda episode: {}

    def close(self) -> None:
        """Gives back the processes and windows of the environments; a reset makes them again."""
        for env in (self.env, self.evaluation_env):
            if env is not None and env.close is not None:
                env.close()


class Stage(enum.IntEnum):
    """What comes next in an iteration. A checkpoint stores the number."""

    COLLECT = 0
    UPDATE = 1  # its environment steps were made, and some of its updates perhaps
    EVALUATE = 2  # its updates were made, and the dataset is relabeled


class Progress(NamedTuple):
    """Where a run is. Plain numbers; counts are per seed.

    Attributes:
      phase: index in the plan.
      iteration: of the phase, from 0: how many are done. At the end of a phase it is their number.
      updates: done in all phases.
      env_steps: done in all phases.
      phase_env_steps: done in this phase.
      updates_due: updates that are due and not done, in this phase.
      stage: what comes next in the iteration.
      dispatches: of the iteration's updates that are done.
      attempt: how often the run was started again from a checkpoint because its numbers went bad.
    """

    phase: int = 0
    iteration: int = 0
    updates: int = 0
    env_steps: int = 0
    phase_env_steps: int = 0
    updates_due: float = 0.0
    stage: int = Stage.COLLECT
    dispatches: int = 0
    attempt: int = 0


class RunState(NamedTuple):
    """Everything that the rest of a run depends on, besides its configuration and its dataset."""

    agent: Any
    buffer: Any
    env: EnvState
    recorder: Recorder
    progress: Progress
    labels: Any  # state of the relabeler of the plan, on the host; empty without one


def portable(state: RunState, layout: Layout) -> dict[str, Any]:
    """The parts of `state` with `[S, ...]` leaves, which any number of devices can restore.

    Of the buffers it holds the number of rows that were ever added, `inserted` `[S]`; see `held`.
    """
    parts = state._asdict()
    buffer = parts.pop("buffer")
    return parts | {"agent": layout.merge(state.agent), "inserted": layout.merge(buffer.inserted)}


def to_save(state: RunState, setup: Setup, layout: Layout) -> dict[str, Any]:
    """The `portable` parts of a state that is to be saved.

    Raises:
      NumericsError: if the agent has a number that is NaN or infinite; names its leaf and seed.
    """
    parts = portable(state, layout)
    check_finite(parts["agent"], setup.seeds, state.progress.updates)
    return parts


_read = jax.jit(jax.vmap(jax.vmap(functools.partial(ring.read, count=ROWS_PER_BLOCK))))


def replay_snapshot(state: RunState, layout: Layout) -> ReplaySnapshot:
    """What the buffers of `state` hold; to be read before the run goes on."""
    end = np.asarray(layout.merge(state.buffer.inserted), np.int64)
    oldest = np.maximum(0, end - ring.capacity(state.buffer))

    def since(first: np.ndarray) -> Rows:
        first = np.maximum(first, oldest)
        data: list[Any] = []
        for buffer in layout.blocks(state.buffer):  # on the device that holds them
            own = slice(len(data), len(data) + buffer.inserted.shape[1])
            begin, count = first[own], (end - first)[own]
            # Devices are filled up with copies of the last seed.
            starts = np.pad(begin, (0, buffer.inserted.shape[1] - len(begin)))[None].astype(np.int32)
            blocks = [
                jax.tree.map(lambda x: np.asarray(x)[0], _read(buffer, starts + done))
                for done in range(0, max(count.max(initial=0), 1), ROWS_PER_BLOCK)
            ]
            for seed, rows in enumerate(count):
                data.append(
                    jax.tree.map(lambda *x, s=seed, n=rows: np.concatenate([b[s] for b in x])[:n], *blocks)
                )
        return Rows(first, data)

    return ReplaySnapshot(oldest, since)


def restored(
    state: RunState, parts: Mapping[str, Any], rows: Iterable[Rows], setup: Setup, layout: Layout
) -> RunState:
    """The state that `portable` made `parts` of, on the devices of `layout`.

    Args:
      state: from `initial`, with empty buffers. It is consumed.
      parts: by name.
      rows: of the buffers, oldest first.
      setup: of the run.
      layout: of the run; of any number of devices.

    Raises:
      ValueError: if `rows` are not those that the buffers held.
    """
    end = np.asarray(parts["inserted"], np.int64)
    oldest = np.maximum(0, end - setup.capacity)
    add = layout.lift(jax.vmap(ring.add), in_axes=(0, 0, 0), donate=0)
    buffer = state.buffer._replace(inserted=layout.split(oldest.astype(np.int32)))
    reached = oldest.copy()
    for some in rows:
        late = np.maximum(0, oldest - some.first)  # rows that the buffers no longer held
        mine = {
            seed: jax.tree.map(lambda x, k=late[seed]: x[k:], data)
            for seed, data in enumerate(some.data)
            if some.end[seed] > max(oldest[seed], some.first[seed])
        }
        if any(some.first[seed] + late[seed] != reached[seed] for seed in mine):
            raise ValueError("rows of the replay buffers are missing between two segments")
        reached = np.maximum(reached, some.end)
        for block, counts in stacked(mine, len(end), setup.dataset, setup.capacity):
            buffer = add(buffer, layout.split(block), layout.split(counts))
    if (reached != end).any():
        raise ValueError(f"the replay buffers end at rows {reached}, and not at {end}")
    progress = Progress(*(np.asarray(number).item() for number in parts["progress"]))
    agent, labels = layout.split(parts["agent"]), parts["labels"]
    return begun_again(RunState(agent, buffer, parts["env"], parts["recorder"], progress, labels), setup)


def begun_again(state: RunState, setup: Setup) -> RunState:
    """`state` whose running episodes are dropped, where the simulator could not be saved; else as it is."""
    if setup.env.restart is None:
        return state
    return state._replace(env=setup.env.restart(state.env), recorder=recorder(setup.env))
