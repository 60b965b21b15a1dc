"""The paths of a run's last evaluations."""

import zipfile
import zlib

import numpy as np

from rankq_jax.analysis.results import Run
from rankq_jax.errors import InputError


def of_first_seed(run: Run) -> dict[str, tuple[list[np.ndarray], np.ndarray]]:
    """`{phase: (positions [t, 2] of each episode, success [episodes])}` of the first seed.

    Raises:
      InputError: if a file cannot be read; names it.
    """
    phases = {}
    for path in sorted(run.folder.glob("trajectories-*.npz")):
        if path.name.endswith(".tmp.npz"):
            continue  # of a run that was killed while it wrote it
        try:
            with np.load(path) as saved:
                first = saved["seed"] == saved["seed"][0]
                paths = np.split(saved["observation"][:, :2], np.cumsum(saved["length"])[:-1])
                kept = [p for p, mine in zip(paths, first, strict=True) if mine]
                phases[path.stem.removeprefix("trajectories-")] = (kept, saved["success"][first])
        except (OSError, ValueError, LookupError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise InputError(f"{path}: cannot be read ({error}); delete the file.") from error
    return phases
