"""Pictures of any MuJoCo model in one state, for videos and reports."""

from typing import NamedTuple

import mujoco
import numpy as np

from rankq_jax.envs import raycast
from rankq_jax.envs.raycast import Camera, Hits

AMBIENT, DIFFUSE = 0.45, 0.55  # shares of the light
SKY = np.array([[191.0, 214.0, 235.0], [107.0, 143.0, 184.0]])  # at the horizon, and above
SIZE = (180, 240)  # pixels of `picture`: height and width
SQUARE = 0.25  # side of the squares on the ground, in shares of the model's extent
# As numbers: numpy compares with an enumeration one by one, which took most of a picture's time.
PLANE, SPHERE = int(mujoco.mjtGeom.mjGEOM_PLANE), int(mujoco.mjtGeom.mjGEOM_SPHERE)


class Marker(NamedTuple):
    """A sphere that is drawn and is no part of the model.

    Attributes:
      center: `[3]`, in metres.
      radius: in metres.
      color: `[3]`, red, green and blue in [0, 1].
    """

    center: np.ndarray
    radius: float
    color: np.ndarray


def usual(model: mujoco.MjModel, data: mujoco.MjData) -> Camera:
    """The first camera of a model; without one a view of the whole model."""
    if model.ncam:
        return Camera(
            data.cam_xpos[0].copy(), data.cam_xmat[0].reshape(3, 3).copy(), float(model.cam_fovy[0])
        )
    return raycast.overview(model.stat.center, model.stat.extent)


def spheres(model: mujoco.MjModel, data: mujoco.MjData) -> list[Marker]:
    """The sites of a model that are visible spheres."""
    shown = (model.site_type == SPHERE) & (model.site_rgba[:, 3] > 0)
    return [
        Marker(data.site_xpos[i].copy(), float(model.site_size[i, 0]), model.site_rgba[i, :3].astype(float))
        for i in np.flatnonzero(shown & (model.site_group <= 2))
    ]


def cast(model: mujoco.MjModel, data: mujoco.MjData, camera: Camera, size: tuple[int, int]) -> Hits:
    """What a camera sees: `[P]` hits."""
    direction = raycast.rays(camera, size)
    count = len(direction)
    hits = Hits(np.zeros(count), np.zeros(count, np.int32), np.zeros((count, 3)), direction)
    mujoco.mj_multiRay(
        model, data, camera.position, direction.ravel(), np.array(raycast.GROUPS, np.uint8), 1, -1,
        hits.geom, hits.distance, hits.normal.ravel(), count, mujoco.mjMAXVAL,
    )  # fmt: skip
    return hits


def _colors(model: mujoco.MjModel, hits: Hits, camera: Camera) -> np.ndarray:
    """`[P, 3]` float32, before the light: of materials, else of geoms; planes have squares."""
    rgba = model.geom_rgba.copy()
    material = model.geom_matid
    # A material counts where the geom keeps the default color.
    default = (rgba == np.array([0.5, 0.5, 0.5, 1.0], np.float32)).all(axis=1) & (material >= 0)
    rgba[default] = model.mat_rgba[material[default]]
    color: np.ndarray = rgba[:, :3][hits.geom]
    plane = np.flatnonzero((model.geom_type == PLANE)[hits.geom] & (hits.geom >= 0))
    side = SQUARE * max(model.stat.extent, 1e-3)
    x, y = (camera.position[i] + hits.distance[plane] * hits.direction[plane, i] for i in (0, 1))
    odd = (np.floor(x / side) + np.floor(y / side)) % 2 > 0
    color[plane[odd]] *= np.float32(0.8)
    return color


def _mark(hits: Hits, color: np.ndarray, camera: Camera, markers: list[Marker]) -> None:
    """Writes markers into the hits and colors of what they hide."""
    for marker in markers:
        offset = camera.position - marker.center
        along = hits.direction @ offset
        under = along**2 - (offset @ offset - marker.radius**2)
        near = -along - np.sqrt(np.maximum(under, 0.0))
        seen = (under > 0) & (near > 0) & ((near < hits.distance) | (hits.geom < 0))
        hits.distance[seen], hits.geom[seen], color[seen] = near[seen], 0, marker.color
        hits.normal[seen] = (offset + near[seen, None] * hits.direction[seen]) / marker.radius


def draw(
    model: mujoco.MjModel,
    data: mujoco.MjData,
    camera: Camera,
    size: tuple[int, int],
    markers: list[Marker] | None = None,
) -> np.ndarray:
    """A picture `[height, width, 3]` uint8 of a model in a state of which `mj_forward` was computed.

    Args:
      model: the model.
      data: its state.
      camera: where the picture is taken from; light comes from there and from above.
      size: height and width in pixels.
      markers: spheres in the picture.
    """
    hits = cast(model, data, camera, size)
    color = _colors(model, hits, camera)
    _mark(hits, color, camera, markers or [])
    towards = camera.frame[:, 2] + np.array([0.0, 0.0, 1.0])
    towards /= np.linalg.norm(towards)
    image = raycast.illuminate(color, hits.normal, AMBIENT, DIFFUSE, towards)
    sky = hits.geom < 0
    image[sky] = SKY[0] + np.clip(hits.direction[sky, 2:], 0.0, 1.0) * (SKY[1] - SKY[0])
    return image.reshape(*size, 3)


def picture(
    model: mujoco.MjModel, qpos: np.ndarray, goal: np.ndarray, camera: Camera | None = None
) -> np.ndarray:
    """A picture `[180, 240, 3]` uint8 of a model in a position, with its visible spheres.

    Args:
      model: the model.
      qpos: `[nq]`.
      goal: `[G]`; a sphere that is called `target` is drawn at a goal of two numbers.
      camera: where it is taken from; None takes the usual one.
    """
    data = mujoco.MjData(model)
    data.qpos[:] = qpos
    mujoco.mj_forward(model, data)
    target = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_SITE, "target")
    if target >= 0 and len(goal) == 2:
        data.site_xpos[target, :2] = goal
    return draw(model, data, camera or usual(model, data), SIZE, spheres(model, data))
