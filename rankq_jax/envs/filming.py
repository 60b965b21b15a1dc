"""Pictures of what environments do while something else steps them."""

import io
import math
from collections.abc import Sequence
from typing import Any

import imageio.v3 as imageio
import numpy as np

from rankq_jax.environments import BatchEnv, EnvState, Step

GIF = ".gif"


def filmed(env: BatchEnv, frames: list[list[np.ndarray]]) -> BatchEnv:
    """The same environments, whose first rows are drawn before every step that they take.

    Args:
      env: environments with `render`.
      frames: a list for each of those rows, which pictures `[H, W, 3]` uint8 are appended to.

    Raises:
      ValueError: if the environments cannot be drawn.
    """
    if env.render is None:
        raise ValueError("render: the environments cannot be drawn")
    render = env.render

    def step(state: EnvState, action: np.ndarray, active: np.ndarray) -> tuple[EnvState, Step]:
        for row, film in enumerate(frames):
            if active[row]:
                film.append(render(state, row))
        return env.step(state, action, active)

    return env._replace(step=step)


def tiled(films: Sequence[Sequence[np.ndarray]]) -> list[np.ndarray]:
    """Films side by side, in as many columns as rows or one more; the last picture of a shorter one stays.

    Args:
      films: each of pictures `[H, W, 3]` of one size, at least one.
    """
    columns = math.ceil(math.sqrt(len(films)))
    blank = np.zeros_like(films[0][0])
    frames = []
    for t in range(max(map(len, films))):
        now = [film[min(t, len(film) - 1)] for film in films]
        now += [blank] * (-len(now) % columns)
        rows = [np.concatenate(now[i : i + columns], axis=1) for i in range(0, len(now), columns)]
        frames.append(np.concatenate(rows, axis=0))
    return frames


def encoded(frames: Sequence[np.ndarray], fps: int, suffix: str = GIF) -> bytes:
    """Pictures `[H, W, 3]` uint8 as a video; a GIF begins again and again.

    Args:
      frames: all of one size.
      fps: pictures for each second.
      suffix: of a file of such a video, `.gif` or `.mp4`.
    """
    content = io.BytesIO()
    how: dict[str, Any] = {"fps": fps, "macro_block_size": 2}
    if suffix == GIF:
        how = {"duration": 1000 / fps, "loop": 0}
    imageio.imwrite(content, list(frames), extension=suffix, **how)
    return content.getvalue()
