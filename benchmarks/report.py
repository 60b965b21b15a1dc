"""What every benchmark prints and writes: a Markdown table, and JSON with the machine it was measured on."""

import argparse
import datetime
import os
import platform
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, NoReturn

import jax
import numpy as np

from rankq_jax.training.workdir import git_commit, versions
from rankq_jax.writers import write_json


class Parser(argparse.ArgumentParser):
    """Arguments; a wrong one ends the command with one line and the status 2."""

    def error(self, message: str) -> NoReturn:
        """Ends the command."""
        self.exit(2, f"{self.prog}: {message}\n")


def parser(name: str, description: str, rounds: int) -> Parser:
    """The arguments that every benchmark has.

    Args:
      name: of the benchmark, `benchmarks.NAME`.
      description: what it measures.
      rounds: default number of measurements of each thing.
    """
    result = Parser(prog=f"benchmarks.{name}", description=description)
    result.add_argument("--rounds", type=int, default=rounds, help="measurements of each thing")
    result.add_argument(
        "--out", type=Path, default=Path("runs/benchmarks") / f"{name}.json", help="JSON file"
    )
    return result


def parsed(parser: Parser, argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The arguments; every number among them is at least 1 (a float: above 0), or the command ends."""
    arguments = parser.parse_args(argv)
    for name, value in vars(arguments).items():
        for number in value if isinstance(value, tuple) else (value,):
            if type(number) is int and number < 1:
                parser.error(f"--{name}={number} must be at least 1")
            if type(number) is float and not number > 0.0:
                parser.error(f"--{name}={number} must be above 0")
    return arguments


def numbers(text: str) -> tuple[int, ...]:
    """`"1,2,4" -> (1, 2, 4)`.

    Raises:
      ArgumentTypeError: if an entry is no whole number.
    """
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of whole numbers, as 1,2,4") from error


def names(known: Collection[str]) -> Callable[[str], tuple[str, ...]]:
    """The type of an argument: names of `known` with commas between."""

    def parse(text: str) -> tuple[str, ...]:
        found = tuple(text.split(","))
        for name in found:
            if name not in known:
                raise argparse.ArgumentTypeError(f"unknown {name!r}; known: {', '.join(known)}")
        return found

    return parse


def processor() -> str:
    """Name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def hardware() -> dict[str, Any]:
    """Processor, cores that this process may use, and devices."""
    devices = jax.devices()
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "processor": processor(),
        "cores": usable,
        "platform": devices[0].platform,
        "device": devices[0].device_kind,
        "devices": len(devices),
    }


def heading(arguments: argparse.Namespace) -> str:
    """One line above a table: on what, with what, how often."""
    about = hardware()
    where = f"{about['processor']}, {about['cores']} cores"
    if about["platform"] != "cpu":
        where += f", {about['devices']} x {about['device']}"
    found = versions()
    packages = ", ".join(f"{name} {found[name]}" for name in ("jax", "mujoco", "gymnasium-robotics", "numpy"))
    return (
        f"{where}; Python {found['python']}, {packages}. "
        f"Medians of {arguments.rounds} rounds, in brackets the range."
    )


def write(name: str, arguments: argparse.Namespace, results: Any) -> Path:
    """Writes what was measured, and with what, to `arguments.out`; returns that path."""
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    about = {
        "benchmark": name,
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "git_commit": git_commit(),
        "versions": versions(),
        "hardware": hardware(),
        "arguments": {k: str(v) if isinstance(v, Path) else v for k, v in vars(arguments).items()},
        "results": results,
    }
    write_json(arguments.out, about)
    return arguments.out


def row(cells: Sequence[Any]) -> str:
    """A row of a Markdown table."""
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def header(names: Sequence[str]) -> str:
    """The first two lines of a Markdown table."""
    return f"{row(names)}\n{row(['---'] * len(names))}".replace("| --- ", "|---").replace("--- |", "---|")


def spread(values: np.ndarray, digits: int = 2) -> str:
    """`"1.50 (1.40-1.70)"`: median, and in brackets the range; `values` `[rounds]`."""
    low, middle, high = (f"{f(values):.{digits}f}" for f in (np.min, np.median, np.max))
    return f"{middle} ({low}-{high})"


def against(value: float, target: float, at_most: bool = False) -> str:
    """Whether a target is met, or by how much of it it is missed: `"met"`, `"missed by 12 %"`."""
    short = (value - target) / target if at_most else (target - value) / target
    return "met" if short <= 0.0 else f"missed by {100.0 * short:.0f} %"
