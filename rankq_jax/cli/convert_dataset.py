"""Rewrites a dataset in another format, once, so that runs need not read doubtful or unusual files.

rankq dataset convert --from=door_bc_sparse4.npy --to=door_bc.npz
rankq dataset convert --from=antmaze.hdf5 --to=resolved.hdf5 --resolve=timeout
rankq dataset convert --from=lift.hdf5 --to=lift.npz --keys=robot0_eef_pos+object --clip-actions
rankq dataset convert --from=runs/sac_hopper --to=hopper-replay.npz
"""

import argparse
from pathlib import Path

from rankq_jax.data import export, sources
from rankq_jax.data.clipping import clipped
from rankq_jax.data.episodes import concatenate
from rankq_jax.data.sources.selection import Wanted, keys_of
from rankq_jax.data.validate import check_recording
from rankq_jax.errors import InputError
from rankq_jax.types import Episodes


def read(name: str, wanted: Wanted, clip_actions: bool = False) -> Episodes:
    """One source, or the replay of a run; prints how many of its rows had their actions clipped.

    Raises:
      InputError: as `sources.load_one` and `replayed.episodes_of`, and on numbers that no task accepts.
    """
    path = Path(name)
    if (path / "config.json").is_file() and (path / "checkpoints").is_dir():
        from rankq_jax.training import replayed  # takes seconds, for which files need not wait

        if wanted.keys:
            raise InputError(
                f"--keys={'+'.join(wanted.keys)}: {name} is a run, whose replay has no keys; leave it out."
            )
        episodes = replayed.episodes_of(path)
    else:
        episodes = sources.load_one(name, wanted)
    if clip_actions:
        episodes, rows = clipped(episodes)
        print(f"{sources.origin(name)}: actions of {rows} rows clipped")
    sizes = episodes.observation.shape[1], episodes.action.shape[1]
    check_recording(episodes, sources.origin(name), *sizes)
    return episodes


def convert(
    source: str,
    target: Path,
    layout: str | None,
    resolve: str | None,
    size: int | None,
    keys: str = "",
    clip_actions: bool = False,
) -> Episodes:
    """Reads the sources, writes them as one file and returns what it holds.

    Raises:
      InputError: if a source cannot be read, they are not alike, or the file cannot be written.
    """
    export.check_target(target, layout)
    wanted = Wanted(size, True, resolve, keys_of(keys))
    parts = [(sources.origin(name), read(name, wanted, clip_actions)) for name in sources.names(source)]
    sources.check_alike(parts)
    episodes = concatenate([part for _, part in parts])
    export.write(episodes, target, layout)
    return episodes


def main(values: argparse.Namespace) -> None:
    """Converts the sources that the values of the flags name."""
    target = values.target
    how = values.layout, values.resolve, values.observation_size, values.keys, values.clip_actions
    episodes = convert(values.source, target, *how)
    count = int(episodes.episode[-1]) + 1
    print(f"{target}: {len(episodes.reward)} transitions in {count} episodes")
