"""What a value of a record must be: JSON knows infinity, null and lists where a number belongs."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

LARGEST = 1e100  # of a number, so that sums and squares of several stay finite
MOST_SEEDS = 100_000  # of one run


def real(value: Any) -> bool:
    """Whether it is a finite number; truth values are none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) <= LARGEST  # which NaN is not


def whole(value: Any) -> bool:
    """Whether it is a whole number of at most 15 digits."""
    return isinstance(value, int) and real(value) and abs(value) < 10**15


def text(value: Any) -> bool:
    """Whether it is a text."""
    return isinstance(value, str)


def truth(value: Any) -> bool:
    """Whether it is a truth value."""
    return isinstance(value, bool)


def wholes(value: Any) -> bool:
    """Whether it is a list of whole numbers."""
    return isinstance(value, list) and all(map(whole, value))


def share(value: Any) -> bool:
    """Whether it is a number from 0 to 1."""
    return real(value) and 0 <= value <= 1


def seeds(value: Any) -> bool:
    """Whether it can be the number of seeds of a run."""
    return whole(value) and 0 < value <= MOST_SEEDS


# Of the fields of a configuration that pages and tables read; a star stands for any section.
SETTINGS: dict[str, Callable[[Any], bool]] = {
    **dict.fromkeys(("algorithm", "online.algorithm", "name", "task", "dataset", "preferences.expert"), text),
    **dict.fromkeys(
        (
            "seed", "dataset_steps", "dataset_seed", "evaluation_episodes", "offline.updates",
            "online.env_steps", "online.mixing_anneal", "preferences.all_at_once",
            "preferences.query_interval", "preferences.query_limit", "critics", "batch_size",
            "*.critic_updates", "*.samples",
            "*.backup_samples",
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
    "seeds": seeds,
}  # fmt: skip


def fits(field: str, value: Any) -> bool:
    """Whether a value can be that of a configuration field, e.g. `online.env_steps`."""
    kind = SETTINGS.get(field) or SETTINGS.get(f"*.{field.rpartition('.')[2]}")
    return kind is None or kind(value)


def wrong_in(summary: Mapping[str, Any], per_seed: Sequence[str]) -> str:
    """The first field of a summary that is not what it must be; empty if all are.

    Args:
      summary: with all fields.
      per_seed: fields with a number, or null, for each seed; those named `_rate` are shares.
    """
    known, seconds = summary["seeds"], summary["wall_seconds"]
    right = {
        "seeds": wholes(known),
        "dataset": text(summary["dataset"]),
        "wall_seconds": isinstance(seconds, dict)
        and all(real(seconds.get(name)) and seconds[name] >= 0 for name in ("update", "total")),
        "updates": whole(summary["updates"]),
        "env_steps": whole(summary["env_steps"]),
    }
    for field in per_seed:
        fit, values = share if field.endswith("_rate") else real, summary[field]
        right[field] = (
            isinstance(values, list)
            and (not right["seeds"] or len(values) == len(known))
            and all(value is None or fit(value) for value in values)
        )
    return next((field for field, fine in right.items() if not fine), "")


def check_episode(phase: Any, place: Sequence[Any], value: Any) -> None:
    """Refuses an evaluated episode.

    Args:
      phase: a text.
      place: whole numbers.
      value: a finite number or a truth value.

    Raises:
      ValueError: if something has another type.
    """
    for number in place:
        if not whole(number):
            raise ValueError(f"{number!r:.80} is no whole number")
    if not text(phase):
        raise ValueError(f"{phase!r:.80} is no phase")
    if not (truth(value) or real(value)):
        raise ValueError(f"{value!r:.80} is no finite number")
