"""Which fields of a product of configurations and values a configuration reads."""

from collections.abc import Iterable, Mapping, Sequence
from numbers import Number
from typing import Any

from rankq_jax.errors import InputError
from rankq_jax.launch import resolve

COMMON = frozenset(
    {"collect", "offline", "online", "preferences", "execution"}
)  # sections that belong to no algorithm


def bounded(values: object, name: str, most: int) -> list[Any]:
    """The values of an argument of a product.

    Raises:
      InputError: if it is a text or no sequence, or there are more than `most`; names it.
    """
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise InputError(f"{name}: {values!r} is no sequence of values; write ({values!r},).")
    found = []
    for value in values:
        found.append(value)
        if len(found) > most:
            raise InputError(f"{name}: gives more than {most} values; a sweep has {most} jobs at most.")
    return found


def check_value(value: object, field: str) -> None:
    """Refuses a value whose text no flag can take: what is no number, text, truth value or several of them.

    Raises:
      InputError: if it is of another type; names the field.
    """
    if isinstance(value, tuple | list):
        for inner in value:
            check_value(inner, field)
    elif not isinstance(value, str | Number | None) and type(value).__name__ != "bool_":
        raise InputError(f"field {field!r}: {value!r} is no number, text or tuple of them.")


def read_by(runs: Sequence[tuple[str, Mapping[str, object]]]) -> list[dict[str, object]]:
    """The values of each run without those of sections of algorithms that none of its phases reads.

    Args:
      runs: flag of the configuration, and the value of each field.

    Raises:
      InputError: if no run reads a field that was given; names it.
    """
    sections = {field.partition(".")[0] for _, chosen in runs for field in chosen if "." in field} - COMMON
    if not sections:
        return [dict(chosen) for _, chosen in runs]

    def base(flag: str, chosen: Mapping[str, object]) -> tuple[str, ...]:
        own = {field: value for field, value in chosen.items() if field.partition(".")[0] not in sections}
        return (flag, *(f"--config.{field}={value}" for field, value in own.items()))

    asked = [base(*run) for run in runs]
    distinct = list(dict.fromkeys(asked))
    answers = dict(zip(distinct, resolve.resolved(distinct, build=False), strict=True))
    kept = []
    for words, (_, chosen) in zip(asked, runs, strict=True):
        answer = answers[words]  # one that is wrong keeps all fields, and is refused when it is checked
        unread = set(answer.get("sections", ())) - set(answer.get("read", ()))
        kept.append({f: value for f, value in chosen.items() if f.partition(".")[0] not in unread})
    for field in dict.fromkeys(field for _, chosen in runs for field in chosen):
        if not any(field in values for values in kept):
            section = field.partition(".")[0]
            raise InputError(
                f"field {field!r}: no phase of these configurations reads section {section!r}; leave it out."
            )
    return kept
