"""Pictures of MuJoCo models by its own ray casting: without OpenGL, and the same on every machine."""

from typing import NamedTuple

import mujoco
import numpy as np

AMBIENT, DIFFUSE = 0.45, 0.55  # shares of the light
SKY = (np.array([0.75, 0.84, 0.92]), np.array([0.42, 0.56, 0.72]))  # at the horizon, and above
SIZE = (180, 240)  # pixels of `picture`: height and width
SQUARE = 0.5  # side of the squares on the ground, in shares of the model's extent


class Camera(NamedTuple):
    """Where a picture is taken from.

    Attributes:
      position: `[3]`, in metres.
      frame: `[3, 3]`, columns: right, up and backward.
      fovy: vertical field of view, in degrees.
    """

    position: np.ndarray
    frame: np.ndarray
    fovy: float = 45.0


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


class Hits(NamedTuple):
    """What the rays of a picture meet first.

    Attributes:
      geom: `[P]` int32, index of the geom; -1 for the sky.
      distance: `[P]`, in metres; inf for the sky.
      normal: `[P, 3]`, of the surface.
      direction: `[P, 3]`, unit vectors of the rays.
    """

    geom: np.ndarray
    distance: np.ndarray
    normal: np.ndarray
    direction: np.ndarray


def looking(position: np.ndarray, at: np.ndarray, fovy: float = 45.0) -> Camera:
    """A camera at a position that looks at a point, both `[3]`, and not straight up or down."""
    backward = np.asarray(position, np.float64) - at
    backward = backward / np.linalg.norm(backward)
    right = np.cross([0.0, 0.0, 1.0], backward)
    right = right / np.linalg.norm(right)
    return Camera(
        np.asarray(position, np.float64), np.stack([right, np.cross(backward, right), backward], 1), fovy
    )


def overview(center: np.ndarray, width: float) -> Camera:
    """A view of a square on the ground with a center `[2]` or `[3]` and sides of `width` metres, from the
    south and 65 degrees above."""
    slope = np.deg2rad(65.0)
    middle = np.append(center[:2], 0.0)
    return looking(middle + 1.45 * width * np.array([0.0, -np.cos(slope), np.sin(slope)]), middle)


def usual(model: mujoco.MjModel, data: mujoco.MjData) -> Camera:
    """The first camera of a model; without one a view of the whole model."""
    if model.ncam:
        frame = data.cam_xmat[0].reshape(3, 3).copy()
        return Camera(data.cam_xpos[0].copy(), frame, float(model.cam_fovy[0]))
    return overview(model.stat.center, model.stat.extent)


def spheres(model: mujoco.MjModel, data: mujoco.MjData) -> list[Marker]:
    """The sites of a model that are visible spheres."""
    shown = (model.site_type == mujoco.mjtGeom.mjGEOM_SPHERE) & (model.site_rgba[:, 3] > 0)
    return [
        Marker(data.site_xpos[i].copy(), float(model.site_size[i, 0]), model.site_rgba[i, :3].astype(float))
        for i in np.flatnonzero(shown & (model.site_group <= 2))
    ]


def cast(model: mujoco.MjModel, data: mujoco.MjData, camera: Camera, height: int, width: int) -> Hits:
    """Casts one ray through the middle of each of the `height * width` pixels, row by row from the top."""
    half = np.tan(np.deg2rad(camera.fovy) / 2.0)
    up = half * (1.0 - (2.0 * np.arange(height) + 1.0) / height)
    right = half * ((2.0 * np.arange(width) + 1.0) / width - 1.0) * width / height
    x, y = np.meshgrid(right, up)
    local = np.stack([x.ravel(), y.ravel(), np.full(x.size, -1.0)], axis=1)
    direction = local @ camera.frame.T
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    count = len(direction)
    geom, distance, normal = np.zeros(count, np.int32), np.zeros(count), np.zeros(3 * count)
    groups = np.array([1, 1, 1, 0, 0, 0], np.uint8)  # those that MuJoCo's viewer shows
    mujoco.mj_multiRay(
        model, data, camera.position, direction.ravel(), groups, 1, -1, geom, distance, normal, count,
        mujoco.mjMAXVAL,
    )  # fmt: skip
    distance[geom < 0] = np.inf
    return Hits(geom, distance, normal.reshape(-1, 3), direction)


def _colors(model: mujoco.MjModel, hits: Hits, camera: Camera) -> np.ndarray:
    """`[P, 3]`, before the light: of materials, else of geoms; planes have squares."""
    rgba = model.geom_rgba.copy()
    material = model.geom_matid
    # A material counts where the geom keeps the default color.
    default = (rgba == np.array([0.5, 0.5, 0.5, 1.0], np.float32)).all(axis=1) & (material >= 0)
    rgba[default] = model.mat_rgba[material[default]]
    color = rgba[hits.geom, :3].astype(np.float64)
    plane = (hits.geom >= 0) & (model.geom_type[hits.geom] == mujoco.mjtGeom.mjGEOM_PLANE)
    point = camera.position[:2] + hits.distance[plane, None] * hits.direction[plane, :2]
    odd = np.floor(point / (SQUARE * 0.5 * max(model.stat.extent, 1e-3))).sum(axis=1) % 2
    color[plane] *= np.where(odd, 0.8, 1.0)[:, None]
    return color


def _spheres(hits: Hits, color: np.ndarray, camera: Camera, markers: list[Marker]) -> Hits:
    """The hits where markers hide them; writes the markers' colors."""
    distance, normal, geom = hits.distance.copy(), hits.normal.copy(), hits.geom.copy()
    for marker in markers:
        offset = camera.position - marker.center
        along = hits.direction @ offset
        under = along**2 - (offset @ offset - marker.radius**2)
        near = -along - np.sqrt(np.maximum(under, 0.0))
        seen = (under > 0) & (near > 0) & (near < distance)
        distance[seen] = near[seen]
        point = offset + near[seen, None] * hits.direction[seen]
        normal[seen], color[seen], geom[seen] = point / marker.radius, marker.color, 0
    return Hits(geom, distance, normal, hits.direction)


def draw(
    model: mujoco.MjModel,
    data: mujoco.MjData,
    camera: Camera,
    height: int,
    width: int,
    markers: list[Marker] | None = None,
) -> np.ndarray:
    """A picture `[height, width, 3]` uint8 of a model in a state of which `mj_forward` was computed.

    Args:
      model: the model.
      data: its state.
      camera: where the picture is taken from; light comes from there and from above.
      height: pixels.
      width: pixels.
      markers: spheres in the picture.
    """
    hits = cast(model, data, camera, height, width)
    color = _colors(model, hits, camera)
    hits = _spheres(hits, color, camera, markers or [])
    light = camera.frame[:, 2] + np.array([0.0, 0.0, 1.0])
    facing = np.abs(hits.normal @ (light / np.linalg.norm(light)))
    color *= (AMBIENT + DIFFUSE * facing)[:, None]
    steep = np.clip(hits.direction[:, 2:], 0.0, 1.0)
    sky = SKY[0] + steep * (SKY[1] - SKY[0])
    color = np.where((hits.geom >= 0)[:, None], color, sky)
    return (255.0 * np.clip(color, 0.0, 1.0)).astype(np.uint8).reshape(height, width, 3)


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
    return draw(model, data, camera or usual(model, data), *SIZE, spheres(model, data))
