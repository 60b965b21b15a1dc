"""Successful episodes of the scripted expert, a row for each control step."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import numpy as np

from rankq_jax.envs.batch import bounded
from rankq_jax.envs.streams import streams
from rankq_jax.envs.tabletop.blunders import Blunderer
from rankq_jax.envs.tabletop.control import ACTION
from rankq_jax.envs.tabletop.env import REWARDS, Tables
from rankq_jax.envs.tabletop.expert import Expert
from rankq_jax.envs.tabletop.options import Options
from rankq_jax.types import Episodes

ROWS = 16  # tables that the expert works at, whatever the number of threads is
LONGEST = 100  # control steps of an episode
REST = 4  # control steps in which the arm holds still at the end
AWAY = 3  # control steps before the recording, in which the tool is moved to somewhere else
AWAY_MOST = np.array([1.0, 1.0, 0.25, 0.0, 0.0, 1.0])  # the largest of their actions; the gripper stays open
LONGEST_LEAD = 40  # control steps at most in which somebody clumsy leads to where a recovery begins
CLUMSINESS = 0.012  # metres, deviation of where that one takes things to be
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
      noise: `[LONGEST, 7]`, what is added to the actions of the episode, or 0.
      lead: `[]`, control steps in which somebody clumsy leads, before a recovery.
      errors: `[2, 2]` metres, how far that one grasps and lets go beside the right places.
    """

    away: np.ndarray
    noise: np.ndarray
    lead: np.ndarray
    errors: np.ndarray


def _draw(stream: np.ndarray, number: int) -> _Drawn:
    """The numbers of an episode.

    If all recordings began at the same place, then where the tool is would tell where it is going, and an
    imitator would not look at the things.
    """
    # The counter differs from that of resets, see `batch.draws`.
    random = np.random.Generator(np.random.Philox(key=stream, counter=[0, 0, 1, number]))
    away = np.append(AWAY_MOST * random.uniform(-1.0, 1.0, ACTION - 1), 1.0)
    noisy = random.uniform() < NOISY
    noise = noisy * random.standard_normal((LONGEST, ACTION))
    lead = random.integers(1, LONGEST_LEAD + 1)
    return _Drawn(away, noise, np.array(lead), CLUMSINESS * random.standard_normal((2, 2)))


def _begin(tables: Tables, drawn: _Drawn, recovering: bool) -> None:
    """Moves the arms to where the recordings begin; the leaves of `drawn` lead with the rows."""
    for _ in range(AWAY):
        tables.world.control(drawn.away, None)
    if not recovering:
        return
    clumsy = Blunderer(tables.world, drawn.errors[:, 0], drawn.errors[:, 1])
    for step in range(drawn.lead.max()):
        tables.world.control(clumsy.act(), np.flatnonzero(drawn.lead > step))


def _round(
    tables: Tables, number: int, seed: int, recovering: bool, tick: Callable[[int], Any]
) -> list[_Moment]:
    """One episode of each row, and a last moment that has an observation only."""
    stream, numbers = streams(seed, tables.rows), np.full(tables.rows, number, np.int64)
    everyone = np.arange(tables.rows)
    tables.world.begin(everyone, stream, numbers)
    drawn = _Drawn(*map(np.stack, zip(*(_draw(one, number) for one in stream), strict=True)))
    _begin(tables, drawn, recovering)
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
    options: Options,
    seed: int,
    threads: int,
    progress: Callable[[int], Any] = lambda steps: None,
    recovering: bool = False,
) -> Iterator[Episodes]:
    """Successful episodes, one after another without end; they do not depend on the number of threads.

    Args:
      options: of the world.
      seed: of starts and noise.
      threads: of the simulations; 0 uses every core.
      progress: told the number of control steps, over all rows, after each of them.
      recovering: begin where somebody clumsy has led, see `Blunderer`. An imitator that has never seen a
        grasp that failed goes on without the thing.
    """
    tables = Tables(options, ROWS, threads)
    for number in itertools.count():
        moments = _round(tables, number, seed, recovering, progress)
        for row in range(ROWS):
            episode = _episode(moments, row)
            if episode.success[-1]:
                yield episode
