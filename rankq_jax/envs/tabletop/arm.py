"""An arm of primitives with the link lengths, masses and joint ranges of the WidowX 250 S."""

from typing import NamedTuple

import numpy as np


class Link(NamedTuple):
    """A body of the arm that a joint turns.

    Attributes:
      name: of the body; its joint has the same name.
      offset: of the body in its parent, in metres.
      axis: of the joint: `x`, `y` or `z`.
      low: smallest angle, in radians.
      high: largest angle.
      geoms: `(attributes, mass in kg)` of each primitive.
    """

    name: str
    offset: tuple[float, float, float]
    axis: str
    low: float
    high: float
    geoms: tuple[tuple[str, float], ...]


# Offsets, masses and ranges of the published description of the arm; the shapes are our own.
LINKS = (
    Link("shoulder", (0.0, 0.0, 0.072), "z", -3.1416, 3.1416,
         (('type="cylinder" size="0.04 0.025"', 0.481),)),
    Link("upper_arm", (0.0, 0.0, 0.03865), "y", -1.885, 1.990,
         (('type="capsule" fromto="0 0 0 0 0 0.25" size="0.022"', 0.361),
          ('type="capsule" fromto="0 0 0.25 0.04975 0 0.25" size="0.02"', 0.070))),
    Link("upper_forearm", (0.04975, 0.0, 0.25), "y", -2.147, 1.606,
         (('type="capsule" fromto="0 0 0 0.175 0 0" size="0.02"', 0.235),)),
    Link("lower_forearm", (0.175, 0.0, 0.0), "x", -3.1416, 3.1416,
         (('type="capsule" fromto="0 0 0 0.075 0 0" size="0.018"', 0.221),)),
    Link("wrist", (0.075, 0.0, 0.0), "y", -1.745, 2.147,
         (('type="capsule" fromto="0 0 0 0.065 0 0" size="0.018"', 0.085),)),
    Link("gripper", (0.065, 0.0, 0.0), "x", -3.1416, 3.1416,
         (('type="box" pos="0.035 0 0" size="0.025 0.035 0.02" contype="3" conaffinity="3"', 0.110),)),
)  # fmt: skip
JOINTS = len(LINKS)
LOW, HIGH = np.array([link.low for link in LINKS]), np.array([link.high for link in LINKS])
TOOL = 0.093575  # metres from the gripper to the tool's centre point, along x
FINGER = 0.066  # metres from the gripper to the fingers
OPEN, CLOSED = 0.037, 0.015  # metres that a finger slides; between the pads there are 2 (q - PAD)
PAD, THICK = 0.010, 0.004  # metres, and half the thickness of a finger
START = np.array(
    [-0.0184, 0.0399, 0.2224, -0.0046, 1.3652, 0.0015]
)  # of the Bridge data: the tool points down
# The tool's axes where it points down: x is the approach, y the direction in which the fingers open.
DOWN = np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]])

# Fingers end 6 mm beyond the tool's centre point, so that it reaches 8 mm above a table.
_FINGER = (
    '<body name="{name}_finger" pos="{at} 0 0" gravcomp="1">'
    '<joint name="{name}_finger" type="slide" axis="0 1 0" range="{low} {high}"/>'
    '<geom name="{name}_finger" type="box" pos="0.017 {side} 0" size="0.017 0.004 0.010" mass="0.016" '
    'friction="1.2 0.005 0.0001" condim="4" priority="1" contype="3" conaffinity="3" rgba="{rgba}"/></body>'
)
DARK, JOINT_COLOR = "0.16 0.16 0.17 1", "0.24 0.24 0.26 1"
DEFAULTS = (
    '<default class="arm"><joint armature="0.1" frictionloss="0.1"/>'
    f'<geom contype="4" conaffinity="0" rgba="{DARK}"/></default>'
)


def bodies() -> str:
    """The arm's bodies in MJCF, to stand in the world. Its base is moved as a whole by `mocap_pos`."""
    text = (
        '<body name="base" mocap="true" childclass="arm"><geom type="cylinder" size="0.05 0.035" '
        'pos="0 0 0.035" mass="0.539" contype="0" conaffinity="0"/>'
    )
    for link in LINKS:
        at = " ".join(map(str, link.offset))
        axis = {"x": "1 0 0", "y": "0 1 0", "z": "0 0 1"}[link.axis]
        text += f'<body name="{link.name}" pos="{at}" gravcomp="1">'
        text += f'<joint name="{link.name}" axis="{axis}" range="{link.low} {link.high}"/>'
        text += "".join(f'<geom {shape} mass="{mass}"/>' for shape, mass in link.geoms)
    text += f'<site name="tool" pos="{TOOL} 0 0"/>'
    for name, low, high, side in (
        ("left", CLOSED, OPEN, THICK - PAD),
        ("right", -OPEN, -CLOSED, PAD - THICK),
    ):
        text += _FINGER.format(name=name, at=FINGER, low=low, high=high, side=side, rgba=JOINT_COLOR)
    return text + "</body>" * (JOINTS + 1)


def actuators() -> str:
    """Position servos of the joints and of the fingers; the fingers move as one."""
    servos = "".join(
        f'<position joint="{link.name}" kp="300" dampratio="1" forcerange="-60 60"/>' for link in LINKS
    )
    servos += '<position joint="left_finger" kp="1000" dampratio="1" forcerange="-25 25"/>'
    coupled = '<joint joint1="right_finger" joint2="left_finger" polycoef="0 -1 0 0 0"/>'
    return f"<actuator>{servos}</actuator><equality>{coupled}</equality>"


def turn(axis: str, cosine: np.ndarray, sine: np.ndarray) -> np.ndarray:
    """`[n] -> [n, 3, 3]` rotations about a coordinate axis."""
    found = np.zeros((len(cosine), 3, 3))
    first, second = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
    found[:, 3 - first - second, 3 - first - second] = 1.0
    found[:, first, first] = found[:, second, second] = cosine
    found[:, first, second], found[:, second, first] = -sine, sine
    return found


class Pose(NamedTuple):
    """Where the tool is in the frame of the arm's base.

    Attributes:
      position: `[n, 3]` in metres.
      rotation: `[n, 3, 3]`; its columns are the axes of the tool.
    """

    position: np.ndarray
    rotation: np.ndarray


def forward(joints: np.ndarray) -> tuple[Pose, np.ndarray]:
    """Forward kinematics.

    Args:
      joints: `[n, 6]` angles in radians.

    Returns:
      The pose of the tool, and its Jacobian `[n, 6, 6]`: how the joints move and turn it.
    """
    n = len(joints)
    # Contiguous, because numpy computes other last digits for an array with gaps.
    angles = np.ascontiguousarray(joints.T)
    cosine, sine = np.cos(angles), np.sin(angles)
    position, rotation = np.zeros((n, 3)), np.tile(np.eye(3), (n, 1, 1))
    anchors, axes = np.zeros((JOINTS, n, 3)), np.zeros((JOINTS, n, 3))
    for i, link in enumerate(LINKS):
        position = position + _rotated(rotation, link.offset)
        anchors[i], axes[i] = position, rotation[:, :, "xyz".index(link.axis)]
        rotation = rotation @ turn(link.axis, cosine[i], sine[i])
    position = position + rotation[:, :, 0] * TOOL
    moved = np.cross(axes, position - anchors)
    jacobian = np.concatenate([moved, axes], axis=2).transpose(1, 2, 0)
    return Pose(position, rotation), jacobian


def _rotated(rotation: np.ndarray, vector: tuple[float, float, float]) -> np.ndarray:
    """`[n, 3, 3] -> [n, 3]`: a vector that turns with each row."""
    x, y, z = vector
    return rotation[:, :, 0] * x + rotation[:, :, 1] * y + rotation[:, :, 2] * z
