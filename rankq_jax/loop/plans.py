"""Offline training and then online fine-tuning, as a plan that is completed with the layout of a run."""

from collections.abc import Callable
from typing import Any, NamedTuple

from rankq_jax.bounds import Count, NonNegative, Switch, Whole, checked
from rankq_jax.data import mixture
from rankq_jax.errors import InputError
from rankq_jax.loop.agents import SamplerFactory, lift, lift_diagnostics
from rankq_jax.parallel import Layout
from rankq_jax.phases import Diagnostics, Phase
from rankq_jax.types import Agent, Schedule


class Plan(NamedTuple):
    """Phases that do not know yet how many seeds they train, and on which devices.

    Attributes:
      phases: `(layout, sequential, on_disk, ahead) -> phases`; see `loop.agents.lift`.
      train_envs: environments per seed that data is collected from.
      replay_capacity: transitions that the replay buffer of a seed holds.
    """

    phases: Callable[[Layout, bool, bool, bool], tuple[Phase, ...]]
    train_envs: int
    replay_capacity: int


class Schedules(NamedTuple):
    """How many iterations lie between evaluations, and between the checkpoints of a plan; 0: only the end.

    Attributes:
      evaluate_every: iterations.
      checkpoint_every: iterations.
    """

    evaluate_every: int
    checkpoint_every: int


OFFLINE, ONLINE = Schedules(2, 4), Schedules(10, 20)


@checked()
def offline_to_online(
    agent: Agent,
    *,
    offline_updates: Whole = 8_000,
    env_steps: Whole = 4_000,
    mixing_ratio: float | Schedule = 0.5,
    online_agent: Agent | None = None,
    batch_size: Count = 256,
    updates_per_iteration: Count = 1_000,
    env_steps_per_iteration: Count = 200,
    updates_per_dispatch: Count = 100,
    updates_per_step: NonNegative = 1.0,
    warmup: Whole = 0,
    train_envs: Count = 4,
    replay_capacity: Count = 1_000_000,
    overlap: Switch = False,
    draw: SamplerFactory = mixture.uniform,
    batches_per_update: Count = 1,
    diagnostics_every: Whole = 1_000,
    offline: Schedules = OFFLINE,
    online: Schedules = ONLINE,
) -> Plan:
    """Trains on a dataset, then on the dataset and on what the agent collects; either phase may be empty.

    Args:
      agent: as its constructor returns it: of one seed, with one batch per update.
      offline_updates: of the offline phase; 0: there is none.
      env_steps: of the online phase, per seed; 0: there is none.
      mixing_ratio: share of offline rows in an online batch, in [0, 1], or -1 for the dataset's share of all
        rows so far; or a function of the environment steps that are done.
      online_agent: trains online, from the state that `agent` has left; None: the same agent.
      batch_size: rows of a batch.
      updates_per_iteration: of the offline phase, at most all of it.
      env_steps_per_iteration: of the online phase per seed, over its `train_envs`, at most all of it.
      updates_per_dispatch: updates in one program, at most an iteration's.
      updates_per_step: updates per environment step.
      warmup: environment steps before the first online update.
      train_envs: environments per seed that data is collected from.
      replay_capacity: transitions that the replay buffer of a seed holds.
      overlap: whether to collect while updating; see `Phase.overlap`.
      draw: how online batches are drawn; see `data.mixture`.
      batches_per_update: how many batches an update takes (RLPD's `critic_updates`).
      diagnostics_every: updates between two diagnostics of the critic; 0: there are none.
      offline: when the offline phase is evaluated.
      online: when the online phase is evaluated.

    Raises:
      ValueError: if a value is out of bounds, a phase is no whole number of iterations, or both are empty.
    """
    if not callable(mixing_ratio) and mixing_ratio != -1.0 and not 0.0 <= mixing_ratio <= 1.0:
        raise ValueError(f"mixing_ratio={mixing_ratio} must be -1 or from 0 to 1")
    if offline_updates == env_steps == 0:
        raise ValueError("offline_updates=0 and env_steps=0: nothing to do; set one of them")
    rows = batch_size * batches_per_update
    updates, steps = min(updates_per_iteration, offline_updates), min(env_steps_per_iteration, env_steps)
    dispatch = min(updates_per_dispatch, updates)
    offline_iterations = parts("offline_updates", offline_updates, "updates_per_iteration", updates)
    # A phase of one iteration that is shorter than usual says how long that is.
    long = "offline_updates" if offline_updates < updates_per_iteration else "updates_per_iteration"
    parts(long, updates, "updates_per_dispatch", dispatch)
    online_iterations = parts("env_steps", env_steps, "env_steps_per_iteration", steps)
    long = "env_steps" if env_steps < env_steps_per_iteration else "env_steps_per_iteration"
    collect = parts(long, steps, "train_envs", train_envs)
    ratio: Schedule = mixing_ratio if callable(mixing_ratio) else lambda env_steps: mixing_ratio

    def phases(layout: Layout, sequential: bool, on_disk: bool, ahead: bool) -> tuple[Phase, ...]:
        how: Any = {"sequential": sequential, "on_disk": on_disk}

        def diagnosed(agent: Agent, draw: SamplerFactory = mixture.uniform) -> Diagnostics | None:
            return lift_diagnostics(agent, layout, diagnostics_every, batch_size=batch_size, draw=draw, **how)

        first = Phase(
            name="offline",
            agent=lift(
                agent,
                layout,
                batch_size=rows,
                updates_per_dispatch=max(dispatch, 1),
                ahead=ahead,
                **how,
            ),
            iterations=offline_iterations,
            updates=updates,
            updates_per_dispatch=dispatch,
            draw=mixture.uniform(rows),
            diagnostics=diagnosed(agent),
            **offline._asdict(),
        )
        second = Phase(
            name="online",
            agent=lift(
                online_agent or agent,
                layout,
                batch_size=rows,
                updates_per_dispatch=updates_per_dispatch,
                draw=draw,
                ahead=ahead,
                **how,
            ),
            iterations=online_iterations,
            collect=collect,
            updates_per_step=updates_per_step,
            updates_per_dispatch=updates_per_dispatch,
            mixing_ratio=ratio,
            warmup=warmup,
            overlap=overlap,
            draw=draw(rows),
            diagnostics=diagnosed(online_agent or agent, draw),
            **online._asdict(),
        )
        return tuple(phase for phase in (first, second) if phase.iterations)

    return Plan(phases, train_envs, min(replay_capacity, max(env_steps, 1)))


def parts(name: str, total: int, part_name: str, part: int) -> int:
    """How many parts a total has; 0 has none, of any size.

    Args:
      name: of the total, for the error.
      total: the total.
      part_name: of the size of a part, for the error.
      part: the size of a part.

    Raises:
      InputError: if the parts do not fill the total.
    """
    if total and total % part:
        raise InputError(f"{name}={total} is no multiple of {part_name}={part}; choose another {part_name}.")
    return total // part if total else 0
