"""Success of the tabletop by hand-built poses, and the expert that reaches it."""

import math

import mujoco
import numpy as np
import pytest

from rankq_jax.envs.streams import streams
from rankq_jax.envs.tabletop import arm, judging, scene, spawns
from rankq_jax.envs.tabletop.env import Tables
from rankq_jax.envs.tabletop.expert import CARRY, Expert
from rankq_jax.envs.tabletop.options import Options
from rankq_jax.envs.tabletop.scene import SETTINGS

LEVEL = (1.0, 0.0, 0.0, 0.0)


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


def contacts(each_other=True, table=False, gripper=False):
    sides = np.zeros((1, 2, 4), bool)
    sides[0, 0, :2] = (table, gripper)
    return judging.Contacts(sides, np.array([each_other]))


@pytest.mark.parametrize(
    ("touch", "bowl", "expected"),
    [
        (contacts(), at(0.3, 0, 0), True),
        (contacts(each_other=False), at(0.3, 0, 0), False),
        (contacts(table=True), at(0.3, 0, 0), False),
        (contacts(gripper=True), at(0.3, 0, 0), False),
        (contacts(), at(0.3, 0, 0, (math.cos(0.12), math.sin(0.12), 0, 0)), True),  # 14 degrees
        (contacts(), at(0.3, 0, 0, (math.cos(0.14), math.sin(0.14), 0, 0)), False),  # 16 degrees
        (contacts(), at(0.3, 0, 0.02), False),  # raised
        (contacts(), at(0.36, 0, 0), False),  # 6 cm away
    ],
)
def test_each_clause_of_a_spoon_in_a_bowl(touch, bowl, expected):
    setting = SETTINGS["spoon-in-bowl"]
    poses = np.array([[at(0.3 - setting.things[0].center, 0, 0.03), bowl]])
    assert judging.succeeds(setting, poses, touch, np.array([0])).tolist() == [expected]


# Half sizes of boxes by the sizes of `objects.py`. The spoon's box has its middle 2 mm above the origin, the
# carrot's 4 mm above and 2.25 mm along x, the bowl's 17.5 mm above.
ON = (0.3, 0.0, 0.004)  # where a plate lies
DOWN = (0.0, 0.0, 1.0, 0.0)  # turned over, about y


@pytest.mark.parametrize(
    ("name", "moved", "other", "touch", "expected"),
    [
        # Cubes: beside by at most 15 sqrt 2 + 3 = 24.213 mm, above by more than 0 and at most 50 mm.
        ("cube-stacking", at(0.3, 0.0242, 0.045), at(0.3, 0, 0.015), contacts(), True),
        ("cube-stacking", at(0.3, 0.0243, 0.045), at(0.3, 0, 0.015), contacts(), False),
        ("cube-stacking", at(0.3, 0, 0.0649), at(0.3, 0, 0.015), contacts(), True),
        ("cube-stacking", at(0.3, 0, 0.0651), at(0.3, 0, 0.015), contacts(), False),
        ("cube-stacking", at(0.3, 0, 0.0151), at(0.3, 0, 0.015), contacts(), True),
        ("cube-stacking", at(0.3, 0, 0.0149), at(0.3, 0, 0.015), contacts(), False),
        # They have to touch, and nobody else matters.
        ("cube-stacking", at(0.3, 0, 0.045), at(0.3, 0, 0.015), contacts(each_other=False), False),
        ("cube-stacking", at(0.3, 0, 0.045), at(0.3, 0, 0.015), contacts(table=True, gripper=True), True),
        # The plate's half diagonal is 60 sqrt 2 = 84.853 mm; heights are 16 + 4 + 20 = 40 mm.
        ("carrot-on-plate", at(0.3 - 0.00225, 0.0878, 0.02), at(*ON), contacts(), True),
        ("carrot-on-plate", at(0.3 - 0.00225, 0.0879, 0.02), at(*ON), contacts(), False),
        ("carrot-on-plate", at(0.3, 0, 0.0399), at(*ON), contacts(), True),
        ("carrot-on-plate", at(0.3, 0, 0.0401), at(*ON), contacts(), False),
        # Upside down the middle of its box is 4 mm below its origin, and on the other side along x.
        ("carrot-on-plate", at(0.3, 0, 0.0479, DOWN), at(*ON), contacts(), True),
        ("carrot-on-plate", at(0.3, 0, 0.0481, DOWN), at(*ON), contacts(), False),
        ("carrot-on-plate", at(0.3 + 0.00225, 0.0878, 0.03, DOWN), at(*ON), contacts(), True),
        ("carrot-on-plate", at(0.3 - 0.00225, 0.0878, 0.03, DOWN), at(*ON), contacts(), False),
        # A spoon need not touch: 8 + 17.5 + 20 = 45.5 mm above the bowl's middle of 17.5 mm.
        ("spoon-in-bowl", at(0.3, 0, 0.0609), at(0.3, 0, 0.0), contacts(each_other=False), True),
        ("spoon-in-bowl", at(0.3, 0, 0.0611), at(0.3, 0, 0.0), contacts(each_other=False), False),
        ("spoon-in-bowl", at(0.3, 0, 0.0156), at(0.3, 0, 0.0), contacts(), True),
        ("spoon-in-bowl", at(0.3, 0, 0.0154), at(0.3, 0, 0.0), contacts(), False),
        ("spoon-in-bowl", at(0.3 + 0.09, 0, 0.03), at(0.3, 0, 0.0), contacts(), False),
    ],
)
def test_each_clause_of_the_rule_of_simpler(name, moved, other, touch, expected):
    poses = np.array([[moved, other]])
    assert judging.succeeds(SETTINGS[name], poses, touch, np.array([0]), "simpler").tolist() == [expected]
    if name == "cube-stacking":  # the cubes are the same either way
        assert judging.succeeds(SETTINGS[name], poses[:, ::-1], touch, np.array([1]), "simpler").tolist() == [
            expected
        ]


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


def test_a_thing_is_lifted_when_both_fingers_hold_it_three_centimetres_up():
    setting = SETTINGS["cube-stacking"]
    for height, fingers, expected in (
        (0.0455, (True, True), True),
        (0.0445, (True, True), False),
        (0.0455, (True, False), False),
    ):
        touch = contacts()
        touch.sides[0, 0, 2:] = fingers
        poses = np.array([[at(0.3, 0, height), at(0.3, 0.1, 0.015)]])
        assert judging.lifted(setting, poses, touch, np.array([0])).tolist() == [expected]


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
        if expert.done.all():
            break
    assert ended.success.sum() >= 5


@pytest.mark.parametrize("name", SETTINGS)
def test_a_closed_gripper_holds_for_three_seconds(name):
    tables = Tables(Options(setting=name, image=None), 1, 1)
    tables.reset(streams(4, 1))
    world, expert = tables.world, Expert(tables.world)
    while expert.phase[0] < CARRY:  # until it is held
        world.control(expert.act(), None)
    for _ in range(3):  # to 10 cm and more
        world.control(np.array([[0.0, 0.0, 0.8, 0.0, 0.0, 0.0, -1.0]]), None)
    still = np.array([[0.0, 0.0, 0.0, 0.0, 0.0, 0.0, -1.0]])
    world.control(still, None)
    before = world.poses[0, 0, 2]
    for _ in range(15):
        judged_now = world.control(still, None)
        assert judged_now.lifted.all()
    assert before > 0.09 and before - world.poses[0, 0, 2] <= 0.002


def test_the_grid_has_every_pair_of_cells_once():
    options = Options(spawns="grid72", image=None)
    places = [spawns.draw(options, np.random.default_rng(0), row, 0) for row in range(72)]
    pairs = {tuple(np.round(place[:, :2].ravel(), 6)) for place in places}
    assert len(pairs) == 72
    assert {x for pair in pairs for x in pair[::2]} == {0.24, 0.31, 0.38}
    assert {y for pair in pairs for y in pair[1::2]} == {-0.07, 0.0, 0.07}


def test_things_of_the_grid_may_push_each_other_aside():
    tables = Tables(Options(setting="spoon-in-bowl", spawns="grid72", image=None), 3, 1)
    tables.reset(np.array([[0, 0], [0, 1], [0, 2]], np.uint64))  # the third spoon lies across the bowl
    poses, rest = tables.world.poses, [thing.rest for thing in SETTINGS["spoon-in-bowl"].things]
    np.testing.assert_allclose(poses[:, :, :2], spawns.PAIRS[:3], atol=0.01)
    risen = (poses[:, :, 2] - rest).max(axis=1)
    assert (risen[:2] < 1e-3).all() and risen[2] > 0.01  # one lies upon the other's edge


@pytest.mark.parametrize(("name", "half"), [("nominal", (0.09, 0.12)), ("c4", (0.15, 0.15))])
def test_things_lie_apart_and_inside_their_region(name, half):
    options, random = Options(setting="carrot-on-plate", spawns=name), np.random.default_rng(0)
    places = np.array([spawns.draw(options, random, 0, 0)[:, :2] for _ in range(200)])
    middle = np.array([0.31, 0.0] if name == "nominal" else [0.30, 0.0])
    assert (np.abs(places - middle).max(axis=(0, 1)) <= half).all()
    assert (np.abs(places - middle).max(axis=(0, 1)) >= 0.9 * np.array(half)).all()
    # The carrot is 115 mm long, the plate 120 mm wide; 5 mm lie between them.
    assert np.linalg.norm(places[:, 0] - places[:, 1], axis=1).min() >= 0.0575 + 0.06 + 0.005
