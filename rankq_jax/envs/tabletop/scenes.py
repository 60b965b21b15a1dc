"""Scenes: colors and patterns of the table, and clutter around the region of the things."""

import colorsys
import functools
from typing import NamedTuple

import numpy as np

from rankq_jax.envs.tabletop.scene import AWAY, CLUTTER

SCENES, HELD_OUT = 100, 20  # those of every randomized world; those after them, to be evaluated in alone
PLAIN, CHECKER, SPECKLE = range(3)  # patterns of a table
MOST_CLUTTER = 4
# Where clutter stands, as metres along x and y: to the left, to the right and behind the things.
PLACES = (((0.15, 0.50), (0.27, 0.40)), ((0.20, 0.55), (-0.40, -0.27)), ((0.56, 0.70), (-0.25, 0.25)))


class Scenes(NamedTuple):
    """All scenes; the first one is plain.

    Attributes:
      surfaces: `[S, 3, 3]` colors of the table, the wall and the floor.
      pattern: `[S]` int, of the table.
      size: `[S]` metres of the cells of the pattern.
      contrast: `[S]` by which the cells are darker.
      clutter: `[S, C, 3]` where the clutter stands.
      colors: `[S, C, 3]` of the clutter.
    """

    surfaces: np.ndarray
    pattern: np.ndarray
    size: np.ndarray
    contrast: np.ndarray
    clutter: np.ndarray
    colors: np.ndarray


NOMINAL = np.array([[0.62, 0.52, 0.42], [0.75, 0.75, 0.72], [0.45, 0.42, 0.40]])


def _color(random: np.random.Generator, saturation: tuple[float, float]) -> tuple[float, float, float]:
    return colorsys.hsv_to_rgb(random.uniform(), random.uniform(*saturation), random.uniform(0.35, 0.95))


@functools.cache
def scenes() -> Scenes:
    """The scenes; each is a function of its number."""
    count, every = len(CLUTTER), SCENES + HELD_OUT
    found = Scenes(
        surfaces=np.tile(NOMINAL, (every, 1, 1)),
        pattern=np.zeros(every, np.int64),
        size=np.full(every, 0.05),
        contrast=np.zeros(every),
        clutter=np.tile(AWAY, (every, count, 1)),
        colors=np.full((every, count, 3), 0.5),
    )
    for number in range(1, every):
        random = np.random.Generator(np.random.Philox(key=number))
        found.surfaces[number] = [_color(random, (0.0, 0.5)) for _ in range(3)]
        found.pattern[number] = random.integers(3)
        found.size[number], found.contrast[number] = random.uniform(0.01, 0.08), random.uniform(0.1, 0.4)
        found.colors[number] = [_color(random, (0.2, 0.9)) for _ in range(count)]
        for index in random.permutation(count)[: random.integers(MOST_CLUTTER + 1)]:
            x, y = PLACES[random.integers(len(PLACES))]
            found.clutter[number, index] = (random.uniform(*x), random.uniform(*y), CLUTTER[index][1])
    return found


def fixtures(height: np.ndarray, number: np.ndarray) -> np.ndarray:
    """Where what is moved as a whole stands.

    Args:
      height: `[n]` metres that the arm stands too high.
      number: `[n]` int: of the scene.

    Returns:
      `[n, 1 + clutter, 3]`: the arm's base and the clutter of the scene.
    """
    base = np.stack([np.zeros_like(height), np.zeros_like(height), height], axis=1)
    return np.concatenate([base[:, None], scenes().clutter[number]], axis=1)


def shade(number: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """`[n, pixels]` float32: by which factor the pattern of a table makes its points darker.

    Args:
      number: `[n]` int: of the scene.
      x: `[n, pixels]` metres.
      y: `[n, pixels]` metres.
    """
    all_scenes = scenes()
    size = all_scenes.size[number][:, None]
    i, j = np.floor(x / size).astype(np.int64), np.floor(y / size).astype(np.int64)
    checker = ((i + j) & 1).astype(np.float32)
    # Any function that scatters: of whole numbers, so that it is the same everywhere.
    speckle = (((i * 73856093) ^ (j * 19349663)) & 255).astype(np.float32) / 255.0
    pattern = all_scenes.pattern[number][:, None]
    darker = np.where(pattern == CHECKER, checker, np.where(pattern == SPECKLE, speckle, np.float32(0.0)))
    return (1.0 - all_scenes.contrast[number][:, None] * darker).astype(np.float32)
