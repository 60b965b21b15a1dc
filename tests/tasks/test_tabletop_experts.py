"""The scripted expert and the clumsy one: where each goes on from, whatever happened before."""

import numpy as np
import pytest

from rankq_jax.envs.streams import streams
from rankq_jax.envs.tabletop.blunders import Blunderer
from rankq_jax.envs.tabletop.env import Tables
from rankq_jax.envs.tabletop.expert import CARRY, DONE, LEAVE, REACH, Expert
from rankq_jax.envs.tabletop.options import Options
from rankq_jax.envs.tabletop.scene import SETTINGS
from rankq_jax.envs.tabletop.world import World

ROWS = 4


@pytest.fixture
def world() -> World:
    """Tables at the start of an episode."""
    tables = Tables(Options(setting="cube-stacking", image=None, chunk=1, horizon=100), ROWS, 1)
    tables.world.begin(np.arange(ROWS), streams(0, ROWS), np.zeros(ROWS, np.int64))
    return tables.world


def _until(world: World, expert: Expert, phase: int) -> None:
    """Lets an expert act until every row is in a phase at once, or is refused."""
    for _ in range(100):
        there = expert.phase == phase
        if there.all():
            return
        world.control(expert.act(), np.flatnonzero(~there))
    raise AssertionError(f"rows ended in the phases {expert.phase}, not in {phase}")


def test_an_expert_made_anew_goes_on_from_what_it_finds(world):
    expert = Expert(world)
    assert (expert.phase == REACH).all()
    _until(world, expert, CARRY)
    assert (Expert(world).phase == CARRY).all()  # the thing is held
    _until(world, expert, DONE)
    assert (Expert(world).phase == LEAVE).all()  # it lies where it should


def test_a_clumsy_expert_goes_on_without_what_it_has_missed(world):
    beside = np.tile([0.05, 0.0], (ROWS, 1))  # metres, more than the fingers are apart
    clumsy, tools, things = Blunderer(world, beside, np.zeros((ROWS, 2))), [], []
    for _ in range(30):
        world.control(clumsy.act(), None)
        carrying = clumsy.phase == CARRY
        tools.append(np.where(carrying, world.tool[:, 2], 0.0))
        things.append(world.poses[np.arange(ROWS), world.source, 2] - world.height)
    assert (np.max(tools, axis=0) > 0.06).all()  # it carries nothing high over the table
    assert np.max(things) < 0.03  # and the things stay on it


@pytest.mark.slow
@pytest.mark.parametrize(("noisy", "least"), [(False, 0.95), (True, 0.85)])
@pytest.mark.parametrize("setting", SETTINGS)
def test_the_expert_succeeds_from_nearly_all_of_200_starts(setting, noisy, least):
    """Check B7; `-rP` prints what is found. A length is that until nothing is left to do."""
    rows, steps = 200, 100
    world = Tables(Options(setting=setting, image=None), rows, 1).world
    world.begin(np.arange(rows), streams(0, rows), np.zeros(rows, np.int64))
    expert, random = Expert(world), np.random.default_rng(0)
    success, length = np.zeros(rows, bool), np.full(rows, steps)
    for step in range(steps):
        working = np.flatnonzero(~expert.done)
        if not len(working):
            break
        wanted = expert.act()
        noise = expert.noise(random.standard_normal(wanted.shape)) * noisy
        judged = world.control(np.clip(wanted + noise, -1.0, 1.0), working)
        success[working] = judged.success[working]
        length[working] = step + 1
    print(f"{setting}, noise {noisy}: {success.mean():.1%}, median {np.median(length):g} control steps")
    assert success.mean() >= least and np.median(length) <= 40
