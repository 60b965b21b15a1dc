"""The images of observations: what the rays of the episodes' cameras hit, in the colors of the episodes."""

import math

import mujoco
import numpy as np

from rankq_jax.envs import raycast
from rankq_jax.envs.physics import Physics
from rankq_jax.envs.raycast import Camera, Hits
from rankq_jax.envs.tabletop import episode, scenes
from rankq_jax.envs.tabletop.camera import FOVY
from rankq_jax.envs.tabletop.scene import CLUTTER, Setting

SURFACES = ("table", "wall", "floor")
SKY = np.array([0.80, 0.84, 0.88])
BLOCK = 16  # rows at once, which bounds the memory


def look(physics: Physics, userdata: np.ndarray, size: tuple[int, int], ids: np.ndarray) -> Hits:
    """What the cameras of the live rows `ids` see.

    Args:
      physics: of all rows.
      userdata: `[m, episode.SIZE]` of these rows.
      size: height and width in pixels.
      ids: `[m]` in increasing order.
    """
    eye, axes = episode.part(userdata, "eye"), episode.part(userdata, "axes").reshape(-1, 3, 3)
    direction = raycast.rays(Camera(eye, axes, FOVY), size)
    return Hits(*physics.cast(eye[:, None], direction, raycast.GROUPS, ids), direction)


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
        """`[m, pixels, 3]` uint8: what `look` has found, in the colors and the light of the episodes."""
        rows = np.arange(len(userdata))[:, None]
        color = self.colors(userdata).astype(np.float32)[rows, hits.geom]
        eye = episode.part(userdata, "eye")
        x, y = (eye[:, i : i + 1] + hits.distance * hits.direction[:, :, i] for i in (0, 1))
        pattern = scenes.shade(episode.whole(userdata, "scene"), x, y)
        color *= np.where(hits.geom == self.table, pattern, np.float32(1.0))[:, :, None]
        light = (episode.part(userdata, name)[:, None] for name in ("ambient", "brightness", "light"))
        return raycast.illuminate(color, hits.normal, *light)


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
