"""Videos of episodes as files: GIF, or MP4 where its writer is installed."""

from pathlib import Path

import numpy as np

from rankq_jax import files
from rankq_jax.envs.filming import GIF, encoded
from rankq_jax.errors import InputError, one_line

SUFFIXES = (GIF, ".mp4")


def check(path: Path) -> None:
    """Refuses a file that could not be written in the end.

    Raises:
      InputError: if its suffix is unknown, its folder is missing, or the writer of MP4 is not installed.
    """
    if path.suffix not in SUFFIXES:
        raise InputError(f"{path}: a video ends in {' or '.join(SUFFIXES)}.")
    if not path.parent.is_dir():
        raise InputError(f"{path}: there is no folder {path.parent}; make it first.")
    if path.suffix == ".mp4":
        try:
            import imageio_ffmpeg  # noqa: F401
        except ImportError as error:
            raise InputError(
                f"{path}: MP4 needs the package imageio-ffmpeg, which is not installed; "
                "`pip install imageio-ffmpeg`, or write a .gif."
            ) from error


def write(path: Path, frames: list[np.ndarray], fps: int) -> None:
    """Writes pictures `[H, W, 3]` uint8 as a video, in one move.

    Args:
      path: ends in .gif or .mp4.
      frames: the pictures, all of one size.
      fps: pictures for each second.

    Raises:
      InputError: as `check`, or if the file cannot be written.
    """
    check(path)
    try:
        files.write(path, encoded(frames, fps, path.suffix))
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({one_line(error.strerror)}).") from error
