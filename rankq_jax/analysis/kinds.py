"""What a value of a record must be: JSON knows infinity, null and lists where a number belongs."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rankq_jax.errors import InputError

LARGEST = 1e100  # of a number, so that sums and squares of several stay finite
MOST_SEEDS = 100_000  # of one run
Kind = Callable[[Any], bool]


def real(value: Any) -> bool:
    """Whether it is a finite number; truth values are none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) <= LARGEST  # which NaN is not


def whole(value: Any) -> bool:
    """Whether it is a whole number of at most 15 digits."""
    return isinstance(value, int) and real(value) and abs(value) < 10**15


def instance(of: type) -> Kind:
    """Whether a value is an instance of a type."""
    return lambda value: isinstance(value, of)


def every(kind: Kind) -> Kind:
    """Whether a value is a list, all of one kind."""
    return lambda value: isinstance(value, list) and all(map(kind, value))


text, truth, mapping, wholes = instance(str), instance(bool), instance(dict), every(whole)


def seconds(value: Any) -> bool:
    """Whether it has the seconds of the updates and of the whole run."""
    return mapping(value) and all(real(value.get(name)) and value[name] >= 0 for name in ("update", "total"))


def measured(value: Any) -> bool:
    """Whether it can be what an episode was measured by: a finite number or a truth value."""
    return truth(value) or real(value)


def per_seed(field: str, seeds: int) -> Kind:
    """What a result of a summary must be: a number or null for each seed, a share if it is named `_rate`."""

    def right(value: Any) -> bool:
        return value is None or (real(value) and (0 <= value <= 1 or not field.endswith("_rate")))

    return lambda values: every(right)(values) and len(values) == seeds


def check(path: Path, record: Mapping[str, Any], kinds: Mapping[str, Kind], line: int | None = None) -> None:
    """Refuses a record that lacks one of the fields, or has a value of another kind there.

    Args:
      path: the file that it was read from.
      record: by the names of its fields.
      kinds: what is needed of it.
      line: of a file with one record on each line.

    Raises:
      InputError: names the file and the field.
    """
    place, remedy = ("", "restore the file") if line is None else (f" line {line}:", "delete that line")
    for field, fits in kinds.items():
        if field not in record:
            raise InputError(f"{path}:{place} field {field!r} is missing; {remedy}.")
        if not fits(record[field]):
            raise InputError(f"{path}:{place} field {field!r} is {record[field]!r:.80}; {remedy}.")


# Of the fields of a configuration that pages and tables read; a star stands for any section.
SETTINGS: dict[str, Kind] = {
    **dict.fromkeys(("algorithm", "online.algorithm", "name", "task", "dataset", "preferences.expert"), text),
    **dict.fromkeys(
        (
            "seed", "dataset_steps", "dataset_seed", "evaluation_episodes", "collect.env_steps",
            "offline.updates", "online.env_steps", "online.mixing_anneal", "preferences.all_at_once",
            "preferences.query_interval", "preferences.query_limit", "critics", "batch_size",
            "*.critic_updates", "*.samples", "*.backup_samples",
        ),
        whole,
    ),
    **dict.fromkeys(
        ("keep_best", "online.updates_per_step", "online.mixing_ratio", "online.mixing_ratio_final",
         "preferences.flipped_answers"),
        real,
    ),
    **dict.fromkeys(("actor_hidden", "critic_hidden"), wholes),
    "preferences.rank_net": truth,
    "seeds": lambda value: whole(value) and 0 < value <= MOST_SEEDS,
}  # fmt: skip


def fits(field: str, value: Any) -> bool:
    """Whether a value can be that of a configuration field, e.g. `online.env_steps`."""
    kind = SETTINGS.get(field) or SETTINGS.get(f"*.{field.rpartition('.')[2]}")
    return kind is None or kind(value)
