"""Rewrites a dataset in another format, once, so that runs need not open pickles or doubtful files.

rankq dataset convert --from=door_bc_sparse4.npy --to=door_bc.npz
rankq dataset convert --from=antmaze.hdf5 --to=resolved.hdf5 --resolve=timeout
rankq dataset convert --from=runs/sac_hopper --to=hopper-replay.npz
"""

import argparse
from pathlib import Path

from rankq_jax.data import export, sources
from rankq_jax.data.episodes import concatenate
from rankq_jax.data.sources.trajectories import load_trajectories
from rankq_jax.data.validate import check_recording
from rankq_jax.types import Episodes


def read(name: str, observation_size: int | None, resolve: str | None) -> Episodes:
    """One source, simulator states included; unlike in a run it may be pickled, or the folder of a run.

    Raises:
      InputError: as `sources.load_one`, `load_trajectories` and `replayed.episodes_of`, and on numbers that
        no task accepts.
    """
    path = Path(name)
    if (path / "config.json").is_file() and (path / "checkpoints").is_dir():
        from rankq_jax.training import replayed  # takes seconds, for which files need not wait

        episodes = replayed.episodes_of(path)
    elif path.suffix in sources.PICKLES:
        episodes = load_trajectories(path)
    else:
        episodes = sources.load_one(name, observation_size, simulator_state=True, resolve=resolve)
    sizes = episodes.observation.shape[1], episodes.action.shape[1]
    check_recording(episodes, sources.origin(name), *sizes)
    return episodes


def convert(source: str, target: Path, layout: str | None, resolve: str | None, size: int | None) -> Episodes:
    """Reads the sources, writes them as one file and returns what it holds.

    Raises:
      InputError: if a source cannot be read, they are not alike, or the file cannot be written.
    """
    export.check_target(target, layout)
    parts = [(sources.origin(name), read(name, size, resolve)) for name in sources.names(source)]
    sources.check_alike(parts)
    episodes = concatenate([part for _, part in parts])
    export.write(episodes, target, layout)
    return episodes


def main(values: argparse.Namespace) -> None:
    """Converts the sources that the values of the flags name."""
    target = values.target
    episodes = convert(values.source, target, values.layout, values.resolve, values.observation_size)
    count = int(episodes.episode[-1]) + 1
    print(f"{target}: {len(episodes.reward)} transitions in {count} episodes")
