"""Successful episodes of the scripted expert, a row for each control step."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import numpy as np

from rankq_jax.envs.batch import bounded
from rankq_jax.envs.streams import streams
from rankq_jax.envs.tabletop.control import ACTION, MOVE
from rankq_jax.envs.tabletop.env import REWARDS, Tables
from rankq_jax.envs.tabletop.expert import HIGH, Expert
from rankq_jax.envs.tabletop.options import Options
from rankq_jax.types import Episodes

ROWS = 16  # tables that the expert works at, whatever the number of threads is
LONGEST = 100  # control steps of an episode
REST = 4  # control steps in which the arm holds still at the end
AWAY = 3  # control steps before the recording, in which the tool is moved to somewhere else
AWAY_MOST = np.array([1.0, 1.0, 0.25, 0.0, 0.0, 1.0])  # the largest of their actions; the gripper stays open
LOST = 0.5  # share of episodes whose recording begins in the middle, as if a grasp had failed
LOST_STEPS, LOWER_STEPS = 11, 4  # control steps that lead there, of which the last ones lower the tool
LOWEST = 0.02  # metres over the table, of these beginnings
LOST_APART, LOST_SHUT = 0.025, 0.75  # metres, deviation from the way; share of them with a closed gripper
NOISY = 0.5  # share of episodes that are executed with noise; what is recorded is what the expert wanted


class _Moment(NamedTuple):
    """One control step of all rows."""

    observation: Any
    action: np.ndarray
    success: np.ndarray
    active: np.ndarray


class _Drawn(NamedTuple):
    """What is random about a recording beside its start.

    Attributes:
      away: `[7]`, the action before it.
      lost: whether it begins in the middle.
      place: `[4]`, where then: a share of the way from the thing to its goal, two distances from that in
        metres, and a share of the height of the way over.
      grip: what the gripper is told then, -1 or 1.
      noise: `[LONGEST, 7]`, what is added to the actions of the episode, or 0.
    """

    away: np.ndarray
    lost: np.ndarray
    place: np.ndarray
    grip: np.ndarray
    noise: np.ndarray


def _draw(stream: np.ndarray, number: int) -> _Drawn:
    """The numbers of an episode.

    If all recordings began at the same place, then where the tool is would tell where it is going, and an
    imitator would not look at the things. If none began where the gripper has missed the thing, an imitator
    that misses would go on without it.
    """
    # The counter differs from that of resets, see `batch.draws`.
    random = np.random.Generator(np.random.Philox(key=stream, counter=[0, 0, 1, number]))
    away = np.append(AWAY_MOST * random.uniform(-1.0, 1.0, ACTION - 1), 1.0)
    noisy = random.uniform() < NOISY
    noise = noisy * random.standard_normal((LONGEST, ACTION))
    lost, shut = random.uniform() < LOST, random.uniform() < LOST_SHUT
    beside = LOST_APART * random.standard_normal(2)
    place = np.array([random.uniform(), *beside, random.uniform()])
    return _Drawn(away, np.array(lost), place, np.array(-1.0 if shut else 1.0), noise)


def _begin(tables: Tables, drawn: _Drawn) -> None:
    """Moves the tools to where the recordings begin; the leaves of `drawn` lead with the rows."""
    world, lost = tables.world, drawn.lost
    row, share = np.arange(tables.rows), drawn.place[:, :1]
    moved, goal = (world.poses[row, thing, :2] for thing in (world.source, 1 - world.source))
    over = (1.0 - share) * moved + share * goal + drawn.place[:, 1:3]
    there, others = np.flatnonzero(lost), np.flatnonzero(~lost)
    for step in range(LOST_STEPS if len(there) else 0):
        low = step >= LOST_STEPS - LOWER_STEPS
        height = np.where(low, LOWEST + (HIGH - LOWEST) * drawn.place[:, 3], HIGH) + world.height
        error = np.column_stack([over, height]) - world.target.pose.position
        action = np.zeros((tables.rows, ACTION))
        action[:, :3] = bounded(error / MOVE, 1.0)
        action[:, 6] = drawn.grip
        world.control(action, there)
    for _ in range(AWAY if len(others) else 0):
        world.control(drawn.away, others)


def _round(tables: Tables, number: int, seed: int, tick: Callable[[int], Any]) -> list[_Moment]:
    """One episode of each row, and a last moment that has an observation only."""
    stream, numbers = streams(seed, tables.rows), np.full(tables.rows, number, np.int64)
    everyone = np.arange(tables.rows)
    tables.world.begin(everyone, stream, numbers)
    drawn = _Drawn(
        *(np.stack(leaves) for leaves in zip(*(_draw(one, number) for one in stream), strict=True))
    )
    _begin(tables, drawn)
    expert, resting = Expert(tables.world), np.zeros(tables.rows, np.int64)
    observation, moments = tables.observe(everyone), list[_Moment]()
    for step in range(LONGEST):
        active = resting < REST
        ids = np.flatnonzero(active)
        if not len(ids):
            break
        wanted = expert.act()
        told = bounded(wanted + expert.noise(drawn.noise[:, step]), 1.0)
        judged = tables.world.control(told, None if active.all() else ids)
        moments.append(_Moment(observation, wanted.astype(np.float32), judged.success, active))
        resting += expert.done
        observation = {name: leaf.copy() for name, leaf in observation.items()}
        for name, leaf in tables.observe(ids).items():
            observation[name][ids] = leaf
        tick(len(ids))
    nothing = np.zeros(tables.rows, bool)
    return [*moments, _Moment(observation, np.zeros((tables.rows, ACTION), np.float32), nothing, nothing)]


def _episode(moments: list[_Moment], row: int) -> Episodes:
    """The steps of one row."""
    length = sum(bool(moment.active[row]) for moment in moments)
    seen = [jax.tree.map(lambda leaf: leaf[row], moment.observation) for moment in moments[: length + 1]]
    stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *seen)
    success = np.array([moment.success[row] for moment in moments[:length]])
    ends = np.arange(length) == length - 1
    return Episodes(
        observation=jax.tree.map(lambda leaf: leaf[:-1], stacked),
        action=np.stack([moment.action[row] for moment in moments[:length]]),
        reward=np.where(success, REWARDS[1], REWARDS[0]),
        next_observation=jax.tree.map(lambda leaf: leaf[1:], stacked),
        terminated=np.zeros(length, bool),
        truncated=ends,  # the expert has nothing left to do, which is no end of the task
        success=success,
        episode=np.zeros(length, np.int64),
        info={},
    )


def demonstrations(
    options: Options, seed: int, threads: int, progress: Callable[[int], Any] = lambda steps: None
) -> Iterator[Episodes]:
    """Successful episodes, one after another without end; they do not depend on the number of threads.

    Args:
      options: of the world.
      seed: of starts and noise.
      threads: of the simulations; 0 uses every core.
      progress: told the number of control steps, over all rows, after each of them.
    """
    tables = Tables(options, ROWS, threads)
    for number in itertools.count():
        moments = _round(tables, number, seed, progress)
        for row in range(ROWS):
            episode = _episode(moments, row)
            if episode.success[-1]:
                yield episode
