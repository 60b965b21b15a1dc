"""Where things lie when an episode begins."""

import itertools
import math

import numpy as np

from rankq_jax.envs import raycast
from rankq_jax.envs.tabletop.camera import NOMINAL as CAMERA
from rankq_jax.envs.tabletop.options import Options
from rankq_jax.envs.tabletop.scene import FREE, Setting

NOMINAL = ((0.22, 0.40), (-0.12, 0.12))  # metres along x and y
ANYWHERE = ((0.15, 0.45), (-0.15, 0.15))  # RankQ, table C.4: 0.30 and 0, 0.15 to each side
APART, CLEAR = 0.08, 0.005  # metres between the middles of things at least, and between the things
MARGIN = 0.05  # share of an image at each edge in which no thing lies
GRID = "grid72"
GRID_MIDDLE, GRID_PITCH, GRID_SIDE = (0.31, 0.0), 0.07, 3
GRID_STRIDE = 12  # cells that a row goes on by with each episode
FRAME = (480, 640)  # any size of the camera's shape

CELLS = [
    (GRID_MIDDLE[0] + GRID_PITCH * (i - 1), GRID_MIDDLE[1] + GRID_PITCH * (j - 1))
    for i in range(GRID_SIDE)
    for j in range(GRID_SIDE)
]
# All 72 ways to put two things into two of the cells.
PAIRS = np.array(list(itertools.permutations(CELLS, 2)))


def _visible(places: np.ndarray) -> bool:
    height, width = FRAME
    points = np.concatenate([places, np.zeros((2, 1))], axis=1)
    share = raycast.project(points, CAMERA, FRAME) / (width, height)
    return bool(((share >= MARGIN) & (share <= 1.0 - MARGIN)).all())


def poses(setting: Setting, places: np.ndarray, yaw: np.ndarray) -> np.ndarray:
    """`[2, 7]`: both things where they lie on the table.

    Args:
      setting: of the task.
      places: `[2, 2]` in metres.
      yaw: `[2]` in radians.
    """
    found = np.zeros((2, FREE))
    found[:, :2] = places
    found[:, 2] = [thing.rest for thing in setting.things]
    found[:, 3], found[:, 6] = np.cos(yaw / 2), np.sin(yaw / 2)
    return found


def draw(options: Options, random: np.random.Generator, row: int, episode: int) -> np.ndarray:
    """`[2, 7]`: where both things lie, apart from each other and in view.

    Args:
      options: of the world.
      random: generator of the episode.
      row: number of the row in its stream, for places that are not random.
      episode: number of the episode of the row.
    """
    setting = options.world
    if options.spawns == GRID:
        pair = PAIRS[(row + GRID_STRIDE * episode) % len(PAIRS)]
        return poses(setting, pair, np.zeros(2))
    region = np.array(NOMINAL if options.spawns == "nominal" else ANYWHERE)
    apart = max(APART, CLEAR + sum(thing.reach for thing in setting.things))
    while True:
        places = random.uniform(region[:, 0], region[:, 1], (2, 2))
        x, y = places[0] - places[1]
        if math.hypot(x, y) >= apart and _visible(places):
            return poses(setting, places, random.uniform(0.0, 2.0 * math.pi, 2))
