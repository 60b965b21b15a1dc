"""What the metadata of a Minari dataset declares, checked before Minari believes it."""

import json
from pathlib import Path
from typing import Any

from rankq_jax.data.sources import columns, packages
from rankq_jax.data.sources.hdf5 import check_tree
from rankq_jax.data.sources.limits import Budget

WORLD = "world"  # an entry of the metadata that is our own
_LONGEST_METADATA = 4 * 2**20  # bytes; spaces of pictures take one million


def read_metadata(folder: Path, inside: Path) -> dict[str, Any]:
    """The metadata of a dataset.

    Args:
      folder: of the dataset, which messages begin with.
      inside: the folder that holds `metadata.json`.

    Raises:
      InputError: if it is too large or no dictionary.
      ValueError: if it is no JSON.
    """
    path = inside / "metadata.json"
    if path.stat().st_size > _LONGEST_METADATA:
        raise columns.refusal(
            str(folder),
            "metadata.json",
            f"has {path.stat().st_size} bytes, at most {_LONGEST_METADATA} are read",
            "get it again",
        )
    metadata = json.loads(path.read_text())
    if not isinstance(metadata, dict):
        raise columns.refusal(str(folder), "metadata.json", "is no dictionary", "get the dataset again")
    return metadata


def read_world(folder: Path, inside: Path) -> dict[str, Any]:
    """What the metadata say of the world that the data was recorded in; empty where they say nothing.

    Args:
      folder: as `read_metadata`.
      inside: as `read_metadata`.

    Raises:
      InputError: if it is no dictionary.
    """
    found = read_metadata(folder, inside).get(WORLD, {})
    if not isinstance(found, dict):
        raise columns.refusal(str(folder), WORLD, f"is {found!r:.40}, no dictionary", "get the dataset again")
    return found


def check_declared(folder: Path, inside: Path) -> None:
    """Refuses a dataset that does not fit into memory as it is declared, or needs a package that is missing.

    Args:
      folder: as `read_metadata`.
      inside: as `read_metadata`.

    Raises:
      InputError: names the field.
    """
    metadata = read_metadata(folder, inside)
    layout = metadata.get("data_format", "hdf5")
    if layout in ("arrow", "parquet"):
        packages.need("pyarrow", f"{folder}: field 'data_format' is {layout!r}")
        if (inside / "main_data.hdf5").is_file():
            raise columns.refusal(
                str(folder),
                "data_format",
                f"is {layout!r}, but main_data.hdf5 lies there",
                "set it to 'hdf5' in metadata.json",
            )
        return
    if layout != "hdf5":
        raise columns.refusal(
            str(folder), "data_format", "is unknown", "use a dataset in hdf5, arrow or parquet"
        )
    budget = Budget(str(folder), (inside / "main_data.hdf5").stat().st_size)
    held = check_tree(inside / "main_data.hdf5", budget)
    episodes, steps = metadata.get("total_episodes"), metadata.get("total_steps")
    if type(episodes) is not int or not 0 <= episodes <= held:
        raise columns.refusal(
            str(folder),
            "total_episodes",
            f"is {episodes!r:.40}, the file holds {held}",
            "get the dataset again",
        )
    if steps is not None:  # else Minari counts them
        if type(steps) is not int or not 0 <= steps < 2**60:
            raise columns.refusal(
                str(folder), "total_steps", f"is {steps!r:.40}, no number of steps", "get the dataset again"
            )
        budget.spend("total_steps", 8 * steps)
