"""Success of the tabletop clause by clause, from hand-built contacts and poses."""

import math

import numpy as np
import pytest

from rankq_jax.envs.tabletop import judging
from rankq_jax.envs.tabletop.scene import SETTINGS

LEVEL = (1.0, 0.0, 0.0, 0.0)


def at(x, y, z, quaternion=LEVEL):
    return (x, y, z, *quaternion)


def contacts(each_other=True, table=False, gripper=False, left=False, right=False):
    """Of the thing that is moved, the first one; the other one lies on the table."""
    sides = np.zeros((1, 2, 4), bool)
    sides[0] = ((table, gripper, left, right), (True, False, False, False))
    return judging.Contacts(sides, np.array([each_other]))


def turned(touch):
    """The same contacts where the second thing is moved."""
    return touch._replace(sides=touch.sides[:, ::-1])


# What the thing that is moved may touch: the other one, and nothing else. Held above it is either kind.
TOUCHES = [
    (contacts(), True),
    (contacts(each_other=False), False),
    (contacts(table=True), False),
    (contacts(gripper=True), False),
    (contacts(left=True), False),
    (contacts(right=True), False),
]


@pytest.mark.parametrize(("touch", "expected"), TOUCHES)
@pytest.mark.parametrize(
    ("name", "moved", "other"),
    [
        ("carrot-on-plate", at(0.3, 0, 0.02), at(0.3, 0, 0.004)),
        ("cube-stacking", at(0.3, 0, 0.045), at(0.3, 0, 0.015)),
        ("spoon-in-bowl", at(0.3, 0, 0.03), at(0.3, 0, 0)),
    ],
)
def test_what_lies_on_the_other_thing_touches_nothing_else(name, moved, other, touch, expected):
    poses = np.array([[moved, other]])
    assert judging.succeeds(SETTINGS[name], poses, touch, np.array([0])).tolist() == [expected]


@pytest.mark.parametrize(
    ("x", "y", "z", "expected"),
    [
        # Cubes of 30 mm: 24 to 36 mm apart in height, 20 mm at most beside each other.
        (0.3, 0, 0.0509, True),
        (0.3, 0, 0.0511, False),
        (0.3, 0, 0.0391, True),
        (0.3, 0, 0.0389, False),
        (0.3, 0.0199, 0.045, True),
        (0.3, 0.0201, 0.045, False),
        (0.2801, 0, 0.045, True),
        (0.2799, 0, 0.045, False),
        (0.314, 0.014, 0.045, True),  # 19.8 mm
        (0.3145, 0.0145, 0.045, False),  # 20.5 mm
    ],
)
def test_each_clause_of_a_stacked_cube(x, y, z, expected):
    setting, poses = SETTINGS["cube-stacking"], np.array([[at(x, y, z), at(0.3, 0, 0.015)]])
    assert judging.succeeds(setting, poses, contacts(), np.array([0])).tolist() == [expected]
    found = judging.succeeds(setting, poses[:, ::-1], turned(contacts()), np.array([1]))
    assert found.tolist() == [expected]  # the cubes are the same either way


def test_a_touch_is_a_force_of_more_than_five_hundredths_of_a_newton():
    """Nine sensors of three numbers: of each thing the table, the gripper and two fingers; of both things."""
    for force, expected in (
        ((0.0, 0.0, 0.0), False),
        ((0.049, 0.0, 0.0), False),
        ((0.0, -0.051, 0.0), True),
        ((0.028, 0.028, 0.028), False),  # 0.0485
        ((0.03, -0.03, 0.03), True),  # 0.052
    ):
        for sensor in range(9):
            data = np.zeros((1, 9, 3))
            data[0, sensor] = force
            found = judging.contacts(data.reshape(1, 27))
            each = np.append(found.sides.reshape(8), found.each_other)
            np.testing.assert_array_equal(each, (np.arange(9) == sensor) & expected)


@pytest.mark.parametrize(
    ("bowl", "expected"),
    [
        (at(0.3, 0, 0, (math.cos(0.12), math.sin(0.12), 0, 0)), True),  # 14 degrees
        (at(0.3, 0, 0, (math.cos(0.14), math.sin(0.14), 0, 0)), False),  # 16 degrees
        (at(0.3, 0, 0.0099), True),
        (at(0.3, 0, 0.0101), False),  # raised
        (at(0.3549, 0, 0), True),
        (at(0.3551, 0, 0), False),  # more than 55 mm away
    ],
)
def test_each_clause_of_a_spoon_in_a_bowl(bowl, expected):
    setting = SETTINGS["spoon-in-bowl"]
    poses = np.array([[at(0.3 - setting.things[0].center, 0, 0.03), bowl]])
    assert judging.succeeds(setting, poses, contacts(), np.array([0])).tolist() == [expected]


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
