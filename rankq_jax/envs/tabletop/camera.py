"""The camera that looks at the table: where it stands, and which pixel a point falls on."""

import math

import numpy as np

FOVY = 42.10  # degrees, of 640 x 480 pixels with a focal length of 623.59
EYE = np.array([0.0, -0.16, 0.36])
RIGHT, UP = np.array([0.4839, -0.8751, 0.0]), np.array([0.6026, 0.3332, 0.7252])


def _nominal() -> np.ndarray:
    right = RIGHT / math.sqrt(RIGHT @ RIGHT)
    back = np.cross(right, UP)
    back /= math.sqrt(back @ back)
    return np.stack([right, np.cross(back, right), back], axis=1)


AXES = _nominal()  # columns point right, up and back, as MuJoCo's cameras do


def look_at() -> np.ndarray:
    """`[3]`: the point of the table that the nominal camera looks at."""
    return EYE - AXES[:, 2] * (EYE[2] / AXES[2, 2])


def aimed(eye: np.ndarray, point: np.ndarray) -> np.ndarray:
    """`[3, 3]`: the axes of a level camera that looks at a point."""
    back = (eye - point) / math.sqrt(float((eye - point) @ (eye - point)))
    right = np.array([-back[1], back[0], 0.0]) / math.hypot(back[0], back[1])
    return np.stack([right, np.cross(back, right), back], axis=1)


def rays(size: tuple[int, int]) -> np.ndarray:
    """`[H * W, 3]`: unit vectors through the middle of the pixels in the frame of the camera, row by row."""
    height, width = size
    focal = height / 2 / math.tan(math.radians(FOVY) / 2)
    down, right = np.meshgrid(np.arange(height) + 0.5, np.arange(width) + 0.5, indexing="ij")
    vectors = np.stack([right - width / 2, height / 2 - down, np.full(down.shape, -focal)], axis=-1)
    return (vectors / np.sqrt((vectors**2).sum(axis=-1, keepdims=True))).reshape(-1, 3)


def project(points: np.ndarray, eye: np.ndarray, axes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Where points are seen.

    Args:
      points: `[..., 3]` in metres.
      eye: `[3]` of the camera.
      axes: `[3, 3]` of the camera.
      size: height and width of the image.

    Returns:
      `[..., 2]` pixels to the right of the left edge and down from the upper one.
    """
    height, width = size
    focal = height / 2 / math.tan(math.radians(FOVY) / 2)
    at = (points - eye) @ axes
    x, y = -at[..., 0] / at[..., 2], at[..., 1] / at[..., 2]
    return np.stack([width / 2 + focal * x, height / 2 + focal * y], axis=-1)
