"""Success of the tabletop by hand-built poses, and the expert that reaches it."""

import math

import mujoco
import numpy as np
import pytest

from rankq_jax.envs.streams import streams
from rankq_jax.envs.tabletop import arm, judging, scene
from rankq_jax.envs.tabletop.env import Tables
from rankq_jax.envs.tabletop.expert import CARRY, Expert
from rankq_jax.envs.tabletop.options import Options
from rankq_jax.envs.tabletop.scene import SETTINGS

LEVEL = (1.0, 0.0, 0.0, 0.0)
ON = (0.3, 0.0, 0.004)  # where a plate lies


def judged(name, moved, other, source=0, seconds=0.2):
    """Success after the things have lain for a while where they were put, with the arm out of the way."""
    setting = SETTINGS[name]
    model = scene.model(setting)
    data = mujoco.MjData(model)
    data.qpos[:6], data.qpos[6:8] = arm.START, (arm.OPEN, -arm.OPEN)
    data.ctrl[:6], data.ctrl[6] = arm.START, arm.OPEN
    first, second = (moved, other) if source == 0 else (other, moved)
    data.qpos[scene.place_of(0)], data.qpos[scene.place_of(1)] = first, second
    mujoco.mj_step(model, data, max(1, round(seconds / model.opt.timestep)))
    poses = data.qpos[scene.ARM_POSITIONS :].reshape(1, 2, 7)
    touch = judging.contacts(data.sensordata[None])
    return bool(judging.succeeds(setting, poses, touch, np.array([source]))[0])


def at(x, y, z, quaternion=LEVEL):
    return (x, y, z, *quaternion)


@pytest.mark.parametrize(
    ("height", "aside", "expected"),
    [
        (0.0455, 0.0, True),  # on top
        (0.0455, 0.012, True),  # not in the middle
        (0.015, 0.06, False),  # on the table
        (0.015, 0.0305, False),  # on the table beside it
        (0.12, 0.0, False),  # in the air above it
    ],
)
@pytest.mark.parametrize("source", [0, 1])
def test_a_cube_is_stacked(height, aside, expected, source):
    seconds = 0.02 if height > 0.1 else 0.4
    assert judged("cube-stacking", at(0.3, aside, height), at(0.3, 0, 0.015), source, seconds) == expected
    if expected:  # the other cube is not
        assert not judged("cube-stacking", at(0.3, 0, 0.015), at(0.3, aside, height), source, seconds)


@pytest.mark.parametrize(
    ("moved", "expected"),
    [
        (at(0.3, 0.0, 0.0205), True),
        (at(0.3, 0.15, 0.012), False),
        (at(0.3, 0.0, 0.10), False),
        # One end on the plate, the other one on the table.
        (at(0.375, 0.0, 0.018, (math.cos(0.06), 0.0, math.sin(0.06), 0.0)), False),
    ],
)
def test_a_carrot_lies_on_the_plate(moved, expected):
    seconds = 0.02 if moved[2] > 0.09 else 0.4
    assert judged("carrot-on-plate", moved, at(0.3, 0.0, 0.004), seconds=seconds) == expected


def test_a_spoon_lies_in_a_bowl_that_stands():
    across = at(0.2883, 0.0, 0.0415)
    assert judged("spoon-in-bowl", across, at(0.3, 0.0, 0.0), seconds=0.4)
    assert not judged("spoon-in-bowl", at(0.3, 0.15, 0.006), at(0.3, 0.0, 0.0), seconds=0.4)
    # The spoon leans on the bowl from outside; its middle is 10 cm from the axis.
    leaning = at(0.195, 0.0, 0.028, (math.cos(-0.21), 0.0, math.sin(-0.21), 0.0))
    assert not judged("spoon-in-bowl", leaning, at(0.3, 0.0, 0.0), seconds=0.02)


@pytest.mark.parametrize(("rule", "expected"), [("contacts", False), ("simpler", True)])
def test_the_rule_is_an_option_of_the_world(rule, expected):
    tables = Tables(Options(setting="carrot-on-plate", image=None, rule=rule), 1, 1)
    tables.reset(streams(0, 1))
    leaning = at(0.375, 0.0, 0.018, (math.cos(0.06), 0.0, math.sin(0.06), 0.0))  # one end on the table
    tables.physics.qpos[0, scene.place_of(0)] = leaning
    tables.physics.qpos[0, scene.place_of(1)] = at(*ON)
    tables.physics.qvel[0] = 0.0
    still = np.array([[0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]])
    assert tables.world.control(still, None).success.tolist() == [expected]


@pytest.mark.parametrize("name", SETTINGS)
def test_the_expert_does_the_task_and_holds_on_to_things(name):
    direction = "both" if SETTINGS[name].symmetric else "forward"
    tables = Tables(Options(setting=name, image=None, direction=direction), 6, 1)
    tables.reset(streams(0, 6))
    expert, random = Expert(tables.world), np.random.default_rng(0)
    noisy = np.arange(6) >= 3
    for _ in range(60):
        action = expert.act()
        noise = expert.noise(random.standard_normal(action.shape)) * noisy[:, None]
        ended = tables.world.control(np.clip(action + noise, -1, 1), None)
        assert not ended.success[expert.phase == CARRY].any()  # what is held above is no success
        if expert.done.all():
            break
    assert ended.success.sum() >= 5


@pytest.mark.parametrize("name", SETTINGS)
def test_a_closed_gripper_holds_for_three_seconds(name):
    tables = Tables(Options(setting=name, image=None), 1, 1)
    tables.reset(streams(4, 1))
    world, expert = tables.world, Expert(tables.world)
    for _ in range(40):  # until it is held
        if expert.phase[0] == CARRY:
            break
        world.control(expert.act(), None)
    assert expert.phase[0] == CARRY
    for _ in range(4):  # to 10 cm, by 4 cm at most in a step
        rise = np.clip((0.10 - world.poses[0, 0, 2]) / 0.04, -1.0, 1.0)
        world.control(np.array([[0.0, 0.0, rise, 0.0, 0.0, 0.0, -1.0]]), None)
    still = np.array([[0.0, 0.0, 0.0, 0.0, 0.0, 0.0, -1.0]])
    world.control(still, None)
    before = world.poses[0, 0, 2]
    for _ in range(15):
        judged_now = world.control(still, None)
        assert judged_now.lifted.all() and not judged_now.success.any()
    assert abs(before - 0.10) < 0.003 and abs(before - world.poses[0, 0, 2]) <= 0.002
