"""Pictures without a graphics card: MuJoCo casts a ray for each pixel, and numpy colors what it hits."""

import math
from typing import NamedTuple

import mujoco
import numpy as np

from rankq_jax.envs.physics import Physics
from rankq_jax.envs.tabletop import episode, scenes
from rankq_jax.envs.tabletop.camera import rays
from rankq_jax.envs.tabletop.scene import CLUTTER, Setting

GROUPS = (True, True, True, False, False, False)  # of geoms that are seen
SURFACES = ("table", "wall", "floor")
SKY = np.array([0.80, 0.84, 0.88])
BLOCK = 16  # rows at once, which bounds the memory


class Hits(NamedTuple):
    """What the rays of m rows hit.

    Attributes:
      vectors: `[m, pixels, 3]` unit vectors.
      distance: `[m, pixels]` metres.
      geom: `[m, pixels]` int; -1: nothing.
      normal: `[m, pixels, 3]`.
    """

    vectors: np.ndarray
    distance: np.ndarray
    geom: np.ndarray
    normal: np.ndarray


def look(physics: Physics, userdata: np.ndarray, size: tuple[int, int], ids: np.ndarray) -> Hits:
    """What the cameras of the live rows `ids` see.

    Args:
      physics: of all rows.
      userdata: `[m, episode.SIZE]` of these rows.
      size: height and width in pixels.
      ids: `[m]` in increasing order.
    """
    inside = rays(size)
    axes = episode.part(userdata, "axes").reshape(-1, 1, 3, 3)
    # Multiplied out, so that a row does not depend on how many there are.
    vectors = inside[:, :1] * axes[..., 0] + inside[:, 1:2] * axes[..., 1] + inside[:, 2:] * axes[..., 2]
    eye = episode.part(userdata, "eye")[:, None]
    return Hits(vectors, *physics.cast(eye, vectors, GROUPS, ids))


def hue_turn(turns: np.ndarray) -> np.ndarray:
    """`[n] -> [n, 3, 3]`: matrices that shift the hue of colors: rotations about grey."""
    cosine, sine = np.cos(2 * math.pi * turns), np.sin(2 * math.pi * turns)
    third, root = (1.0 - cosine) / 3.0, sine / math.sqrt(3.0)
    same, after, before = cosine + third, third - root, third + root
    rows = [[same, after, before], [before, same, after], [after, before, same]]
    return np.moveaxis(np.array(rows), 2, 0)


class Palette:
    """The colors of a model's geoms, in any scene."""

    def __init__(self, model: mujoco.MjModel, setting: Setting) -> None:
        """Reads them from the model."""
        self.base = np.concatenate([model.geom_rgba[:, :3].astype(np.float64), SKY[None]])
        bodies = [model.body(thing.name).id for thing in setting.things]
        self.things = np.flatnonzero(np.isin(model.geom_bodyid, bodies))
        self.surfaces = [model.geom(name).id for name in SURFACES]
        self.clutter = [model.geom(f"clutter{i}").id for i in range(len(CLUTTER))]
        self.table = self.surfaces[0]

    def colors(self, userdata: np.ndarray) -> np.ndarray:
        """`[m, geoms + 1, 3]`: of every geom in m episodes, and last of what lies behind all."""
        number = episode.whole(userdata, "scene")
        found = np.tile(self.base, (len(userdata), 1, 1))
        found[:, self.surfaces] = scenes.scenes().surfaces[number]
        found[:, self.clutter] = scenes.scenes().colors[number]
        turn, things = hue_turn(episode.part(userdata, "hue")), found[:, self.things]
        mixed = [sum(turn[:, None, i, j] * things[:, :, j] for j in range(3)) for i in range(3)]
        found[:, self.things] = np.minimum(np.maximum(np.stack(mixed, axis=2), 0.0), 1.0)
        return found

    def paint(self, hits: Hits, userdata: np.ndarray) -> np.ndarray:
        """`[m, pixels, 3]` uint8: color times light, from everywhere and from one direction."""
        rows = np.arange(len(userdata))[:, None]
        color = self.colors(userdata).astype(np.float32)[rows, hits.geom]
        eye = episode.part(userdata, "eye")
        x, y = (eye[:, i : i + 1] + hits.distance * hits.vectors[:, :, i] for i in (0, 1))
        pattern = scenes.shade(episode.whole(userdata, "scene"), x, y)
        color *= np.where(hits.geom == self.table, pattern, np.float32(1.0))[:, :, None]
        light = episode.part(userdata, "light")[:, None].astype(np.float32)
        normal = hits.normal.astype(np.float32)
        facing = sum(normal[:, :, i] * light[:, :, i] for i in range(3))
        brightness = episode.part(userdata, "brightness")[:, None].astype(np.float32)
        direct = brightness * np.maximum(facing, np.float32(0.0))
        ambient = episode.part(userdata, "ambient")[:, None].astype(np.float32)
        lit = color * (ambient + direct[:, :, None])
        return np.minimum(lit * np.float32(255.0) + np.float32(0.5), np.float32(255.0)).astype(np.uint8)


def images(
    palette: Palette, physics: Physics, userdata: np.ndarray, size: tuple[int, int], ids: np.ndarray
) -> np.ndarray:
    """`[m, H, W, 3]` uint8: what the cameras of the live rows `ids`, in increasing order, see."""
    found = np.empty((len(ids), *size, 3), np.uint8)
    for start in range(0, len(ids), BLOCK):
        part = slice(start, start + BLOCK)
        hits = look(physics, userdata[part], size, ids[part])
        found[part] = palette.paint(hits, userdata[part]).reshape(-1, *size, 3)
    return found
