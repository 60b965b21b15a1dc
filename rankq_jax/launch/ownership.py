"""Whether the results in a workdir are those of a job, or of another one that had its name."""

import ast
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rankq_jax.launch import readings, record
from rankq_jax.launch.jobs import Job

ACCEPT = "--accept-changes"
_IGNORED = (ACCEPT, "--accept_changes", "--import")  # of what a job is they say nothing
_TRUE, _FALSE = ("true", "t", "1", "yes", "y"), ("false", "f", "0", "no", "n")


def _same(text: str, value: Any) -> bool:
    """Whether a flag may have set a recorded value; what cannot be told counts as that."""
    if isinstance(value, bool):
        return text.lower() not in (_FALSE if value else _TRUE)
    if isinstance(value, str):
        return text == value
    try:
        given = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return True
    if isinstance(value, list):
        return not isinstance(given, list | tuple) or list(given) == value
    known = readings.number(value)
    return known is None or readings.number(given) is None or given == known


def _same_below(text: str, value: Any) -> bool:
    """As `_same`; where `{out}` stands any folder will do, because workdirs may have been moved."""
    if "{out}" not in text:
        return _same(text, value)
    return re.fullmatch(".*".join(map(re.escape, text.split("{out}"))), str(value)) is not None


def _flags(words: Sequence[str]) -> dict[str, str]:
    """The last value of each flag."""
    pairs = (word.partition("=") for word in words)
    found = {name: value for name, _, value in pairs if name not in _IGNORED}
    if "--config" in found:  # as older sweeps named the configurations of this package
        file, colon, task = found["--config"].partition(":")
        found["--config"] = file.removeprefix("experiments/configs/").removesuffix(".py") + colon + task
    return found


def foreign(job: Job, out: Path, instead: str = "choose another --out or name") -> str:
    """What in the workdir of a job is of another one, in one line; empty if nothing is.

    The flags of the job that left the record are compared and, because a run may have been started in another
    way, the configuration that was recorded with the fields that this job sets. A job that accepts changes
    takes the workdir as it is. `instead` is the advice that the line gives.
    """
    folder, mine = out / job.name, _flags(job.arguments)
    if any(word.replace("_", "-") == ACCEPT for word in job.arguments):
        return ""
    known = record.read(folder).get("arguments")
    theirs = mine if known is None else _flags(known)
    found = [
        f"{name} is {theirs.get(name, 'not given')} there and {mine.get(name, 'not given')} here"
        for name in dict.fromkeys([*theirs, *mine])
        if theirs.get(name) != mine.get(name)
    ] or _differences(mine, readings.mapping(folder / "config.json").get("config"), out)
    if not found:
        return ""
    told = "; ".join([f"holds another job, {found[0]}", *found[1:], instead])
    return f"{folder}: {told}, or take it as it is with --accept-changes."


def _differences(mine: Mapping[str, str], config: object, out: Path) -> list[str]:
    """The fields that flags set and a recorded configuration has with another value, in words."""
    found = []
    for name, given in mine.items():
        value, text = config, given
        if name == "--config":
            text = text.partition(":")[2].partition(",")[0]
            value = readings.within(config).get("task") if text else None
        elif name.startswith("--config."):
            for key in name.removeprefix("--config.").split("."):
                value = readings.within(value).get(key)
        else:
            continue
        if value is not None and not _same_below(text, value):
            found.append(f"{name} is {value!r} there and {text.replace('{out}', str(out))!r} here")
    return found
