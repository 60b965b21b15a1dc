"""Pictures that are stored as files of their own kind, decoded by pillow where that is installed."""

import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rankq_jax.data.sources import columns, packages
from rankq_jax.data.sources.containers import reading


def decode(source: str, key: str, cells: Sequence[Any], shape: tuple[int, ...]) -> np.ndarray:
    """The pictures of a column, `[N, height, width, channels]` uint8.

    Args:
      source: what messages begin with.
      key: of the column.
      cells: each a mapping whose `bytes` are those of a PNG or JPEG file.
      shape: of every picture, as the dataset declares it and has been counted; channels may come first.

    Raises:
      InputError: if pillow is missing, or a cell is no picture of that shape; names the index.
    """
    packages.need("PIL", f"{source}: field {key!r} holds pictures")
    from PIL import Image

    if len(shape) == 3 and shape[0] in (1, 3) and shape[2] not in (1, 3):
        shape = (*shape[1:], shape[0])
    if len(shape) != 3 or shape[2] not in (1, 3) or math.prod(shape) == 0:
        raise columns.refusal(
            source, key, f"has pictures of shape {shape}, not (height, width, 1 or 3)", "leave it out"
        )
    found = np.empty((len(cells), *shape), np.uint8)
    for index, cell in enumerate(cells):
        content = cell.get("bytes") if isinstance(cell, Mapping) else None
        if not isinstance(content, bytes):
            raise columns.refusal(source, key, f"is no picture at index {index}", "leave it out")
        with reading(f"{source}: field {key!r}, index {index}"), Image.open(io.BytesIO(content)) as picture:
            if picture.size != (shape[1], shape[0]):
                raise columns.refusal(
                    source,
                    key,
                    f"has a picture of {picture.size} at index {index}, not of {shape}",
                    "repair it",
                )
            found[index] = np.asarray(picture.convert("L" if shape[2] == 1 else "RGB")).reshape(shape)
    return found
