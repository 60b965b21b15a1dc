"""Where Minari keeps datasets: below `MINARI_DATASETS_PATH`, else its default."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from minari.storage import get_dataset_path

from rankq_jax import files
from rankq_jax.errors import InputError

_VARIABLE = "MINARI_DATASETS_PATH"


def dataset_folder(dataset_id: str) -> Path:
    """Where Minari keeps (or would keep) a dataset.

    Raises:
      InputError: if `MINARI_DATASETS_PATH` is empty or cannot be a folder.
    """
    if os.environ.get(_VARIABLE) == "":
        raise InputError(f"{_VARIABLE}: is set to nothing; set it to a folder or unset it.")
    try:
        return Path(get_dataset_path(dataset_id))
    except OSError as error:
        raise InputError(
            f"{error.filename}: Minari's folder cannot be made ({error.strerror}); set {_VARIABLE} to "
            "a folder that can be written to."
        ) from error


def exists(dataset_id: str) -> bool:
    """Whether a dataset of that name is on disk.

    Raises:
      InputError: as `dataset_folder`.
    """
    return dataset_folder(dataset_id).exists()


@contextlib.contextmanager
def minari_root(folder: Path) -> Iterator[None]:
    """Minari reads its root from the environment alone; this sets it and puts it back."""
    before = os.environ.get(_VARIABLE)
    os.environ[_VARIABLE] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ[_VARIABLE]
        else:
            os.environ[_VARIABLE] = before


def settle(staged: Path, dataset_id: str, final: Path) -> None:
    """Moves a dataset from a root of its own to its final place, with Minari's note on its namespace.

    Raises:
      OSError: if the disk refuses it, or there is something already.
    """
    final.parent.mkdir(parents=True, exist_ok=True)
    for note in (staged / dataset_id).parent.glob("*.json"):
        if not (final.parent / note.name).exists():
            files.write(final.parent / note.name, note.read_bytes())
    files.publish(staged / dataset_id, final)
