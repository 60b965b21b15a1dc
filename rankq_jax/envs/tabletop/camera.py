"""The camera that looks at the table: where it stands."""

import math

import numpy as np

from rankq_jax.envs.raycast import Camera

FOVY = 42.10  # degrees, of 640 x 480 pixels with a focal length of 623.59
EYE = np.array([0.0, -0.16, 0.36])
RIGHT, UP = np.array([0.4839, -0.8751, 0.0]), np.array([0.6026, 0.3332, 0.7252])


def _axes() -> np.ndarray:
    right = RIGHT / math.sqrt(RIGHT @ RIGHT)
    back = np.cross(right, UP)
    back /= math.sqrt(back @ back)
    return np.stack([right, np.cross(back, right), back], axis=1)


NOMINAL = Camera(EYE, _axes(), FOVY)


def look_at() -> np.ndarray:
    """`[3]`: the point of the table that the nominal camera looks at."""
    back = NOMINAL.frame[:, 2]
    return EYE - back * (EYE[2] / back[2])
