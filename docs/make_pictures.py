"""Draws the pictures of docs/vla.md.

python docs/make_pictures.py
"""

import dataclasses
from pathlib import Path

import numpy as np

from rankq_jax import files
from rankq_jax.analysis.pictures import sheet
from rankq_jax.envs.streams import streams
from rankq_jax.envs.tabletop.env import tabletop_env
from rankq_jax.envs.tabletop.instructions import SENTENCES
from rankq_jax.envs.tabletop.options import Options
from rankq_jax.envs.tabletop.scene import SETTINGS
from rankq_jax.tasks.tabletop import options_of

PICTURES = Path(__file__).resolve().parent / "pictures"
SEED = 5
# Of the 72 starts of the grid those with things in cells 0 and 1, 2 and 3, 4 and 5, 6 and 7, 8 and 7.
GRID = [0, 18, 36, 54, 71]


def starts(options: Options, rows: list[int]) -> list[np.ndarray]:
    """What the camera sees when the first episodes of those rows begin: `[192, 256, 3]` each."""
    env = tabletop_env(options, len(rows), 1)
    assert env.render is not None
    state = env.reset(streams(SEED, max(rows) + 1)[rows])
    return [env.render(state, row) for row in range(len(rows))]


def _tasks() -> bytes:
    images = {SENTENCES[name][0][0]: starts(options_of(name), [0])[0] for name in SETTINGS}
    return sheet(images, 3)


def _scenes(count: int) -> bytes:
    """Randomized episodes of cubes."""
    images = starts(options_of("cube-stacking", "-randomized"), list(range(count)))
    return sheet({f"episode {i}": image[::2, ::2] for i, image in enumerate(images)}, 4)


def _grid() -> bytes:
    """One start of the grid, and what lies in its cells in several of them."""
    images = np.stack(starts(options_of("cube-stacking", "-grid"), GRID)).astype(int)
    # A cell holds something in fewer than half of the pictures.
    table = np.median(images, axis=0).astype(int)
    most = np.abs(images - table).sum(axis=-1, keepdims=True).argmax(axis=0)
    together = np.take_along_axis(images, most[None], axis=0)[0]
    return sheet({"one start": images[0].astype(np.uint8), "the nine cells": together.astype(np.uint8)}, 2)


def _gap() -> bytes:
    """The same starts in both domains."""
    images = {}
    for gap in (0.0, 1.0):
        for name in SETTINGS:
            options = dataclasses.replace(options_of(name), gap=gap)
            images[f"{name}, g = {gap:g}"] = starts(options, [0])[0]
    return sheet(images, 3)


def main(folder: Path, scenes: int = 8) -> None:
    """Writes the pictures into a folder, with that number of scenes."""
    drawn = {"tasks": _tasks(), "scenes": _scenes(scenes), "grid": _grid(), "gap": _gap()}
    for name, content in drawn.items():
        files.write(folder / f"vla-{name}.png", content)


if __name__ == "__main__":
    main(PICTURES)
