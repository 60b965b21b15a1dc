"""By what the files of a dataset are known, so that changed data is noticed."""

from pathlib import Path

from rankq_jax.data import sources
from rankq_jax.data.sources import described

Stamp = tuple[str, int, int]


def stamps(dataset: str) -> tuple[Stamp, ...]:
    """Path, size in bytes and time of change in nanoseconds of every file that a dataset is read from.

    The file that a mapping file names is one of them. What is not on disk has none, see `sources.fetch`.

    Args:
      dataset: comma-separated names and paths, see `sources.read_one`.

    Raises:
      InputError: if a name is empty.
    """
    found = list[Stamp]()
    for name in sources.names(dataset):
        place = Path(sources.origin(name))
        inside = sorted(place.rglob("*")) if place.is_dir() else [place, *described.target(place)]
        for path in inside:
            if path.is_file():
                about = path.stat()
                found.append((str(path), about.st_size, about.st_mtime_ns))
    return tuple(found)
