"""How an episode looks: camera, light, colors and scene, drawn when it begins."""

import math
from typing import NamedTuple

import numpy as np

from rankq_jax.envs import raycast
from rankq_jax.envs.tabletop import camera, episode
from rankq_jax.envs.tabletop.options import Options
from rankq_jax.envs.tabletop.scenes import HELD_OUT, SCENES

AMBIENT, BRIGHTNESS = 0.45, 0.6  # of the nominal light
LIGHT = np.array([0.2, 0.5, 0.84]) / math.sqrt(0.2**2 + 0.5**2 + 0.84**2)  # towards the light
# RankQ, table C.4. Heights, brightness and how the camera is aimed are our own.
AMBIENT_RANGE, BRIGHTNESS_RANGE, HEIGHT_RANGE = (0.0, 0.6), (0.5, 1.5), 0.01
EYE_RANGE, AIM_RANGE = 0.05, math.radians(2.0)
# What differs a little in the domain that policies are pretrained in.
VARIED_EYE, VARIED_HUE, VARIED_AMBIENT, VARIED_BRIGHTNESS = 0.01, 0.04, 0.10, 0.15
# A gap of 1 between the domains.
GAP_EYE, GAP_TURN = np.array([0.03, -0.03, 0.02]), math.radians(3.0)
# Turned by more, or the other way, a yellow cube would look more like the green one than like itself.
GAP_HUE, GAP_LIGHT = -0.10, math.radians(60.0)


class Look(NamedTuple):
    """How an episode looks; the parts of `episode.PARTS` with these names.

    Attributes:
      height: metres that the arm stands too high.
      eye: `[3]` of the camera, in metres.
      axes: `[3, 3]` of the camera.
      ambient: `[3]` light from everywhere.
      brightness: of the light from one direction.
      light: `[3]` unit vector towards it.
      hue: turns by which the colors of things are shifted.
      scene: number of the scene.
    """

    height: float = 0.0
    eye: np.ndarray = camera.EYE
    axes: np.ndarray = camera.NOMINAL.frame
    ambient: np.ndarray = np.full(3, AMBIENT)
    brightness: float = BRIGHTNESS
    light: np.ndarray = LIGHT
    hue: float = 0.0
    scene: int = 0


def about_z(angle: float) -> np.ndarray:
    """`[3, 3]`: a rotation about the vertical, in radians."""
    cosine, sine = math.cos(angle), math.sin(angle)
    return np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]])


def shifted(look: Look, gap: float) -> Look:
    """A look as far from the domain of pretraining as `gap` says; from 1 on, hues stay as they are there."""
    return look._replace(
        eye=look.eye + gap * GAP_EYE,
        axes=about_z(gap * GAP_TURN) @ look.axes,
        light=about_z(gap * GAP_LIGHT) @ look.light,
        hue=look.hue + min(gap, 1.0) * GAP_HUE,
    )


def draw_look(options: Options, random: np.random.Generator) -> Look:
    """The look of one episode."""
    look = Look()
    if options.varied:
        look = look._replace(
            eye=look.eye + random.uniform(-VARIED_EYE, VARIED_EYE, 3),
            ambient=look.ambient + random.uniform(-VARIED_AMBIENT, VARIED_AMBIENT, 3),
            brightness=look.brightness + random.uniform(-VARIED_BRIGHTNESS, VARIED_BRIGHTNESS),
            hue=random.uniform(-VARIED_HUE, VARIED_HUE),
        )
    if options.randomized:
        eye = camera.EYE + random.uniform(-EYE_RANGE, EYE_RANGE, 3)
        aim = raycast.looking(eye, camera.look_at()).frame
        look = Look(
            height=random.uniform(-HEIGHT_RANGE, HEIGHT_RANGE),
            eye=eye,
            axes=aim @ _jitter(random.uniform(-AIM_RANGE, AIM_RANGE, 3)),
            ambient=random.uniform(*AMBIENT_RANGE, 3),
            brightness=BRIGHTNESS * random.uniform(*BRIGHTNESS_RANGE),
            scene=int(SCENES + random.integers(HELD_OUT) if options.held_out else random.integers(SCENES)),
        )
    return shifted(look, options.gap)


def _jitter(angles: np.ndarray) -> np.ndarray:
    """`[3] -> [3, 3]`: a small rotation about each axis in turn."""
    found = np.eye(3)
    for axis, angle in enumerate(angles):
        first, second = (axis + 1) % 3, (axis + 2) % 3
        turn = np.eye(3)
        turn[first, first] = turn[second, second] = math.cos(angle)
        turn[first, second], turn[second, first] = -math.sin(angle), math.sin(angle)
        found = found @ turn
    return found


def write_look(userdata: np.ndarray, look: Look, source: int, phrase: int) -> None:
    """Writes into the user data `[episode.SIZE]` of one row."""
    values = {**look._asdict(), "source": source, "phrase": phrase}
    for name, value in values.items():
        userdata[episode.COLUMNS[name]] = np.ravel(value)
