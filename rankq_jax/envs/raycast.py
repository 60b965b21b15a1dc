"""Cameras, what their rays meet first, and the light on it: without OpenGL, and the same on every machine."""

import functools
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

GROUPS = (True, True, True, False, False, False)  # of geoms that are seen, as in MuJoCo's viewer


class Camera(NamedTuple):
    """Where pictures are taken from: one camera, or several with leading dimensions.

    Attributes:
      position: `[..., 3]`, in metres.
      frame: `[..., 3, 3]`, columns: right, up and backward, as MuJoCo's cameras have them.
      fovy: vertical field of view, in degrees.
    """

    position: np.ndarray
    frame: np.ndarray
    fovy: float = 45.0


class Hits(NamedTuple):
    """What the rays of cameras meet first.

    Attributes:
      distance: `[..., P]`, in metres; -1 for the sky.
      geom: `[..., P]` int, index of the geom; -1 for the sky.
      normal: `[..., P, 3]`, of the surface; 0 for the sky.
      direction: `[..., P, 3]`, unit vectors of the rays.
    """

    distance: np.ndarray
    geom: np.ndarray
    normal: np.ndarray
    direction: np.ndarray


def looking(position: np.ndarray, at: np.ndarray, fovy: float = 45.0) -> Camera:
    """A level camera at a position that looks at a point, both `[3]`, and not straight up or down."""
    position = np.asarray(position, np.float64)
    back = position - at
    back = back / math.sqrt(float(back @ back))
    right = np.array([-back[1], back[0], 0.0]) / math.hypot(back[0], back[1])
    return Camera(position, np.stack([right, np.cross(back, right), back], axis=1), fovy)


def overview(center: np.ndarray, width: float) -> Camera:
    """A view of a square on the ground with a center `[2]` or `[3]` and sides of `width` metres, from the
    south and 65 degrees above."""
    slope = math.radians(65.0)
    middle = np.append(center[:2], 0.0)
    return looking(middle + 1.45 * width * np.array([0.0, -math.cos(slope), math.sin(slope)]), middle)


def _focal(camera: Camera, height: int) -> float:
    """The distance of the image from the eye, in pixels."""
    return height / 2 / math.tan(math.radians(camera.fovy) / 2)


@functools.cache
def _inside(size: tuple[int, int], focal: float) -> np.ndarray:
    """`[P, 3]`: the rays of a camera in its frame."""
    height, width = size
    down, right = np.meshgrid(np.arange(height) + 0.5, np.arange(width) + 0.5, indexing="ij")
    vectors = np.stack([right - width / 2, height / 2 - down, np.full(down.shape, -focal)], axis=-1)
    found = (vectors / np.sqrt((vectors**2).sum(axis=-1, keepdims=True))).reshape(-1, 3)
    found.setflags(write=False)  # every caller gets the same one
    return found


def rays(camera: Camera, size: tuple[int, int]) -> np.ndarray:
    """`[..., P, 3]`: unit vectors through the middle of the pixels, row by row from the top.

    Args:
      camera: one or several.
      size: height and width in pixels, P of them.
    """
    inside, axes = _inside(size, _focal(camera, size[0])), camera.frame[..., None, :, :]
    # Multiplied out, so that a camera's rays do not depend on how many cameras there are.
    across: np.ndarray = inside[:, :1] * axes[..., 0] + inside[:, 1:2] * axes[..., 1]
    return across + inside[:, 2:] * axes[..., 2]


def project(points: np.ndarray, camera: Camera, size: tuple[int, int]) -> np.ndarray:
    """Where points are seen.

    Args:
      points: `[..., 3]` in metres.
      camera: one.
      size: height and width of the image.

    Returns:
      `[..., 2]` pixels to the right of the left edge and down from the upper one.
    """
    height, width = size
    focal = _focal(camera, height)
    at = (points - camera.position) @ camera.frame
    x, y = -at[..., 0] / at[..., 2], at[..., 1] / at[..., 2]
    return np.stack([width / 2 + focal * x, height / 2 + focal * y], axis=-1)


def illuminate(
    color: np.ndarray, normal: np.ndarray, ambient: ArrayLike, brightness: ArrayLike, towards: np.ndarray
) -> np.ndarray:
    """`[..., P, 3]` uint8: color times light, from everywhere and from one direction.

    Args:
      color: `[..., P, 3]` in [0, 1].
      normal: `[..., P, 3]` of the surfaces.
      ambient: number or `[..., 1, 3]`, red, green and blue of the light from everywhere.
      brightness: number or `[..., 1]`, of the light from one direction.
      towards: `[3]` or `[..., 1, 3]`, unit vector towards it.
    """
    values = (color, normal, ambient, brightness, towards)
    color, normal, ambient, brightness, towards = (np.asarray(each, np.float32) for each in values)
    facing = sum(normal[..., i] * towards[..., i] for i in range(3))
    lit = color * (ambient + (brightness * np.maximum(facing, np.float32(0.0)))[..., None])
    return np.minimum(lit * np.float32(255.0) + np.float32(0.5), np.float32(255.0)).astype(np.uint8)
