"""What lies on the table, as MuJoCo primitives, and how each thing is held and placed."""

import math
from typing import NamedTuple

FRICTION = "0.5 0.005 0.0001"  # sliding, torsional, rolling
VISIBLE = 'contype="0" conaffinity="0" mass="0" group="2"'  # is seen, and touches nothing
SOLID = 'class="solid"'  # is seen and touches
HIDDEN = 'class="solid" group="3"'  # touches, and is not seen


class Thing(NamedTuple):
    """A thing on the table.

    Attributes:
      name: of its body.
      geoms: in MJCF, in the frame of the body.
      rest: metres from the table to the body's origin, where it lies as it should.
      bottom: metres from the origin down to its lowest point.
      hold: metres from the origin to where it is held, along its x axis.
      center: metres from the origin to its center of mass, along its x axis.
      symmetry: radians after which a grasp is the same.
      support: metres from the origin up to what another thing is put on.
      reach: metres from the origin to what is farthest from it, along the table.
    """

    name: str
    geoms: str
    rest: float
    bottom: float
    hold: float = 0.0
    center: float = 0.0
    symmetry: float = math.pi
    support: float = 0.0
    reach: float = 0.0

    def body(self) -> str:
        """The body in MJCF."""
        return f'<body name="{self.name}" pos="0 0 {self.rest}"><freejoint/>{self.geoms}</body>'


def _box(
    size: tuple[float, float, float], mass: float, rgba: str, at: str = "0 0 0", kind: str = SOLID
) -> str:
    half = " ".join(str(side / 2) for side in size)
    return f'<geom {kind} type="box" size="{half}" pos="{at}" mass="{mass}" rgba="{rgba}"/>'


def cube(color: str, rgba: str, side: float = 0.03) -> Thing:
    """A cube of 27 g."""
    return Thing(
        name=f"{color}_cube",
        geoms=_box((side, side, side), 0.027, rgba),
        rest=side / 2,
        bottom=side / 2,
        symmetry=math.pi / 2,
        support=side / 2,
        reach=side / math.sqrt(2.0),
    )


def carrot() -> Thing:
    """A carrot that does not roll: what touches is a box of 105 x 26 x 24 mm, what is seen are capsules."""
    orange, green = "0.93 0.45 0.10 1", "0.20 0.55 0.18 1"
    parts = (
        (0.036, 0.004, 0.0160, orange),
        (0.004, -0.022, 0.0135, orange),
        (-0.022, -0.046, 0.0100, orange),
        (0.050, 0.0545, 0.006, green),
    )
    seen = "".join(
        f'<geom {VISIBLE} type="capsule" fromto="{start} 0 .004 {end} 0 .004" size="{radius}" rgba="{rgba}"/>'
        for start, end, radius, rgba in parts
    )
    return Thing(
        name="carrot",
        geoms=_box((0.105, 0.026, 0.024), 0.040, orange, kind=HIDDEN) + seen,
        rest=0.012,
        bottom=0.012,
        reach=0.0575,
    )


def plate() -> Thing:
    """A plate of 12 cm."""
    geom = f'<geom {SOLID} type="cylinder" size="0.060 0.004" mass="0.080" rgba="0.88 0.90 0.95 1"/>'
    return Thing(name="plate", geoms=geom, rest=0.004, bottom=0.004, support=0.004, reach=0.060)


def spoon() -> Thing:
    """A spoon of 14 cm: a handle to hold and a flat head."""
    rgba = "0.30 0.45 0.85 1"
    # Of 25 g, shared by volume; both parts lie on the table.
    handle = _box((0.095, 0.016, 0.012), 0.0146, rgba, at="-0.0225 0 0")
    size = "0.022 0.0175 0.008"
    head = f'<geom {SOLID} type="ellipsoid" size="{size}" pos="0.048 0 0.002" mass="0.0104" rgba="{rgba}"/>'
    center = (0.0104 * 0.048 - 0.0146 * 0.0225) / 0.025
    return Thing(
        name="spoon",
        geoms=handle + head,
        rest=0.006,
        bottom=0.006,
        hold=center - 0.02,
        center=center,
        reach=0.070,
    )


WALLS, BOWL_RADIUS, BOWL_HEIGHT, BOWL_WALL = 12, 0.060, 0.035, 0.004


def bowl() -> Thing:
    """An open bowl of 12 cm, of a bottom and twelve walls; its origin is the middle of its bottom side."""
    rgba = "0.80 0.30 0.30 1"
    base = f'<geom {SOLID} type="cylinder" size="0.045 0.002" pos="0 0 0.002" mass="0.030" rgba="{rgba}"/>'
    middle, width = BOWL_RADIUS - BOWL_WALL / 2, BOWL_RADIUS * math.tan(math.pi / WALLS)
    walls = ""
    for i in range(WALLS):
        angle = 2 * math.pi * i / WALLS
        at = f"{middle * math.cos(angle)} {middle * math.sin(angle)} {(BOWL_HEIGHT + BOWL_WALL) / 2}"
        half = f"{BOWL_WALL / 2} {width} {(BOWL_HEIGHT - BOWL_WALL) / 2}"
        walls += (
            f'<geom {SOLID} type="box" size="{half}" pos="{at}" axisangle="0 0 1 {angle}" '
            f'mass="{0.070 / WALLS}" rgba="{rgba}"/>'
        )
    return Thing(
        name="bowl", geoms=base + walls, rest=0.0, bottom=0.0, support=BOWL_HEIGHT, reach=BOWL_RADIUS
    )
