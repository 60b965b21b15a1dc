"""Rewrites a dataset in another format, once, so that runs need not open pickles or doubtful files.

python -m experiments.convert_dataset --from=door_bc_sparse4.npy --to=door_bc.npz
python -m experiments.convert_dataset --from=antmaze.hdf5 --to=resolved.hdf5 --resolve=timeout
"""

from pathlib import Path

from absl import flags

from rankq_jax.cli import command
from rankq_jax.data import export, sources
from rankq_jax.data.episodes import concatenate
from rankq_jax.data.sources.trajectories import load_trajectories
from rankq_jax.data.validate import check_recording
from rankq_jax.errors import InputError, suggestion
from rankq_jax.types import Episodes

FROM = flags.DEFINE_string("from", None, "File, folder or Minari name; several separated by commas.")
TO = flags.DEFINE_string("to", None, "File to write: .npz, .hdf5 or .h5.")
FORMAT = flags.DEFINE_string(
    "format", None, "d4rl, arrays or ogbench; arrays in .npz, d4rl in .hdf5 if unset."
)
RESOLVE = flags.DEFINE_string(
    "resolve", None, "What a row with a terminal and a timeout is: terminal, timeout."
)
OBSERVATION_SIZE = flags.DEFINE_integer(
    "observation_size", None, "Of the task; 29 makes vectors of Minari's AntMaze dictionaries."
)


def read(name: str, observation_size: int | None, resolve: str | None) -> Episodes:
    """One source, simulator states included; unlike in a run it may be pickled.

    Raises:
      InputError: as `sources.load_one` and `load_trajectories`, and on numbers that no task accepts.
    """
    path = Path(name)
    if path.suffix in sources.PICKLES:
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
    if resolve not in (None, "terminal", "timeout"):
        raise InputError(f"--resolve={resolve}: unknown.{suggestion(resolve, ('terminal', 'timeout'))}")
    parts = [(sources.origin(name), read(name, size, resolve)) for name in sources.names(source)]
    sources.check_alike(parts)
    episodes = concatenate([part for _, part in parts])
    export.write(episodes, target, layout)
    return episodes


def main(arguments: list[str]) -> None:
    """Entry point."""
    command.no_more(arguments)
    source, target = FROM.value or "", Path(TO.value or "")
    episodes = convert(source, target, FORMAT.value, RESOLVE.value, OBSERVATION_SIZE.value)
    count = int(episodes.episode[-1]) + 1
    print(f"{target}: {len(episodes.reward)} transitions in {count} episodes")


def start() -> None:
    """Runs the command on the arguments of the process."""
    flags.mark_flags_as_required(["from", "to"])
    command.run(main)


if __name__ == "__main__":
    start()
