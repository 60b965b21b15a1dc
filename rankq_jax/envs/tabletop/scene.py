"""The model of a task: an arm, a table, two things on it, and what measures their contacts."""

import functools
from typing import NamedTuple

import mujoco
import numpy as np

from rankq_jax.envs.tabletop import arm, episode, objects
from rankq_jax.envs.tabletop.camera import FOVY
from rankq_jax.envs.tabletop.control import TIMESTEP
from rankq_jax.envs.tabletop.objects import FRICTION, Thing

FREE = 7  # numbers of the pose of a thing
ARM_POSITIONS = arm.JOINTS + 2
TABLE_LOW, TABLE_HIGH = (-0.10, -0.60), (0.80, 0.60)  # metres
# Primitives that clutter a scene, in MJCF, and their middles' height in metres where they stand on the table.
CLUTTER = (
    ('type="box" size="0.03 0.02 0.04"', 0.04),
    ('type="cylinder" size="0.03 0.05"', 0.05),
    ('type="sphere" size="0.035"', 0.035),
    ('type="box" size="0.045 0.03 0.015"', 0.015),
    ('type="cylinder" size="0.045 0.012"', 0.012),
    ('type="ellipsoid" size="0.04 0.025 0.02"', 0.02),
)
AWAY = (-5.0, 0.0, -2.0)  # where clutter is that a scene does not show
SIDES = ("table", "gripper", "left_finger", "right_finger")  # what a thing may touch besides the other one


class Setting(NamedTuple):
    """The things of a task.

    Attributes:
      name: of the task.
      things: the one to move and the one to put it on.
      rule: name of what else a success needs, see `judging`.
      symmetric: whether it can be the other way.
    """

    name: str
    things: tuple[Thing, Thing]
    rule: str
    symmetric: bool = False


SETTINGS = {
    setting.name: setting
    for setting in (
        Setting("carrot-on-plate", (objects.carrot(), objects.plate()), "on"),
        Setting(
            "cube-stacking",
            (objects.cube("green", "0.16 0.62 0.24 1"), objects.cube("yellow", "0.93 0.80 0.15 1")),
            "stacked",
            symmetric=True,
        ),
        Setting("spoon-in-bowl", (objects.spoon(), objects.bowl()), "inside"),
    )
}


def _sensors(setting: Setting) -> str:
    """The sum of the contact forces between each thing and each side, then between the things."""
    both = [thing.name for thing in setting.things]
    sides = {side: f'body2="{side}"' for side in SIDES} | {"table": 'geom2="table"'}
    pairs = [f'body1="{name}" {sides[side]}' for name in both for side in SIDES]
    pairs.append(f'body1="{both[0]}" body2="{both[1]}"')
    return "".join(f'<contact {pair} num="1" data="force" reduce="netforce"/>' for pair in pairs)


def mjcf(setting: Setting) -> str:
    """The whole model in MJCF, without what changes from episode to episode."""
    clutter = "".join(
        f'<body name="clutter{i}" mocap="true" pos="{AWAY[0]} {AWAY[1]} {AWAY[2]}">'
        f'<geom name="clutter{i}" {shape} contype="0" conaffinity="0" rgba="0.5 0.5 0.5 1"/></body>'
        for i, (shape, _) in enumerate(CLUTTER)
    )
    half = [(high - low) / 2 for low, high in zip(TABLE_LOW, TABLE_HIGH, strict=True)]
    center = [(high + low) / 2 for low, high in zip(TABLE_LOW, TABLE_HIGH, strict=True)]
    return f"""
<mujoco model="{setting.name}">
  <compiler angle="radian" autolimits="true"/>
  <size nuserdata="{episode.SIZE}"/>
  <option timestep="{TIMESTEP}" integrator="implicitfast" cone="elliptic" impratio="10"/>
  <visual><map znear="0.01"/><headlight diffuse="0 0 0" specular="0 0 0"/></visual>
  <default>
    {arm.DEFAULTS}
    <default class="solid"><geom friction="{FRICTION}" condim="4" contype="3" conaffinity="3"/></default>
  </default>
  <worldbody>
    <camera name="view" fovy="{FOVY}"/>
    <light name="sun" type="directional" castshadow="false"/>
    <geom name="floor" type="plane" size="5 5 1" pos="0 0 -0.87" contype="0" conaffinity="0"
      rgba="0.45 0.42 0.40 1"/>
    <geom name="wall" type="plane" size="5 5 1" pos="0.95 0 0" zaxis="-1 0 0" contype="0" conaffinity="0"
      rgba="0.75 0.75 0.72 1"/>
    <geom name="table" type="box" size="{half[0]} {half[1]} 0.025" pos="{center[0]} {center[1]} -0.025"
      friction="0.6 0.005 0.0001" condim="4" contype="1" conaffinity="5" rgba="0.62 0.52 0.42 1"/>
    {arm.bodies()}
    {"".join(thing.body() for thing in setting.things)}
    {clutter}
  </worldbody>
  {arm.actuators()}
  <sensor>{_sensors(setting)}</sensor>
</mujoco>"""


@functools.cache
def model(setting: Setting) -> mujoco.MjModel:
    """The model of a task. It is shared: nobody writes to it."""
    return mujoco.MjModel.from_xml_string(mjcf(setting))


@functools.cache
def boxes(setting: Setting) -> np.ndarray:
    """`[2, 2, 3]` metres: middle and half size of the box around each thing, in the frame of its body."""
    own, found = model(setting), []
    for thing in setting.things:
        ids = np.flatnonzero(own.geom_bodyid == own.body(thing.name).id)
        flat = np.zeros((len(ids), 9))
        for row, geom in zip(flat, ids, strict=True):
            mujoco.mju_quat2Mat(row, own.geom_quat[geom])
        turned = flat.reshape(-1, 3, 3)
        middle, half = own.geom_aabb[ids, :3], own.geom_aabb[ids, 3:]
        middle = own.geom_pos[ids] + np.einsum("gij,gj->gi", turned, middle)
        half = np.einsum("gij,gj->gi", np.abs(turned), half)
        low, high = (middle - half).min(axis=0), (middle + half).max(axis=0)
        found.append([(low + high) / 2.0, (high - low) / 2.0])
    return np.array(found)


def place_of(thing: int) -> slice:
    """The columns of `qpos` that hold the pose of a thing, 0 or 1."""
    start = ARM_POSITIONS + thing * FREE
    return slice(start, start + FREE)
