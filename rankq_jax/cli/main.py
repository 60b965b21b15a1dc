"""`rankq COMMAND`: the flags of every command, and which module each one starts.

A module is imported once the words of its command are understood: a wrong one is told at once.
"""

import argparse
import importlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from rankq_jax.cli import calibration, command, flags, nearest
from rankq_jax.cli.parser import HELP, Parser
from rankq_jax.errors import InputError


class Command(NamedTuple):
    """A command.

    Attributes:
      about: one sentence.
      module: whose `main` takes the values of the flags and returns an exit status, or None for 0.
      flags: those that it has.
      fields: whether it reads the words of a configuration.
      changes: whether it reads `--config.FIELD=VALUE` only.
      check: refuses values of its flags before the module is imported.
    """

    about: str
    module: str
    flags: Sequence[flags.Flag]
    fields: bool = False
    changes: bool = False
    check: Callable[[argparse.Namespace], None] = lambda values: None


COMMANDS = {
    "train": Command("Trains an agent offline, then online.", "cli.train", flags.TRAIN, fields=True),
    "evaluate": Command(
        "Evaluates a checkpoint with the greedy policy.", "cli.evaluate", flags.EVALUATE, changes=True
    ),
    "calibrate": Command(
        "Finds the domain gap at which a policy succeeds as often as wanted.",
        "cli.calibrate",
        flags.CALIBRATE,
        check=calibration.check,
    ),
    "export": Command("Writes the greedy policy as a small file.", "cli.export", flags.EXPORT),
    "report": Command("Writes a page about runs or sweeps.", "cli.report", flags.REPORT),
    "table": Command("Writes the tables of finished runs.", "cli.table", flags.TABLE),
    "dataset make": Command("Makes a task's own dataset.", "cli.make_dataset", flags.MAKE),
    "dataset inspect": Command("Judges and draws a dataset.", "cli.inspect_dataset", flags.INSPECT),
    "dataset convert": Command("Rewrites a dataset in another format.", "cli.convert_dataset", flags.CONVERT),
    "dataset readings": Command("Shows a dataset under each reading.", "cli.readings", flags.READINGS),
    "sweep plan": Command("Lists the jobs of a sweep, and what is wrong.", "launch.plan", flags.SWEEP),
    "sweep local": Command("Runs a sweep on this machine.", "launch.local", flags.LOCAL),
    "sweep ray": Command("Runs a sweep on Ray.", "launch.ray", flags.RAY),
    "sweep slurm": Command("Runs a sweep on Slurm.", "launch.slurm", flags.SLURM),
    "sweep status": Command("Shows where the jobs of a sweep are.", "launch.status", flags.STATUS),
    "sweep results": Command("Runs a sweep here and writes its tables.", "launch.results", flags.RESULTS),
}


def usage(group: str = "") -> str:
    """What `rankq --help` prints, or that of one group of commands."""
    names = [name for name in COMMANDS if name.startswith(group)]
    lines = [f"  {name:<18}{COMMANDS[name].about}" for name in names]
    head, foot = f"usage: rankq {group or 'COMMAND'} ...", "`rankq COMMAND --help` lists the flags of each."
    return "\n".join([head, "", *lines, "", foot])


def parser(name: str) -> Parser:
    """The parser of a command."""
    it = COMMANDS[name]
    made = Parser(name, it.about, it.fields, it.changes)
    for flag in (flags.IMPORT, *it.flags):
        made.add(*flag)
    return made


def load(modules: Sequence[str]) -> None:
    """Imports packages that register agents, tasks and more; those of the working directory too.

    Raises:
      InputError: if there is none of that name.
    """
    from rankq_jax import registry

    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    registry.load_plugins(modules)


def _named(words: Sequence[str]) -> tuple[str, list[str]]:
    """The name of the command that words begin with, and the others; an empty name asks for help.

    Raises:
      InputError: if there is no such command.
    """
    for count in (1, 2):
        if (name := " ".join(words[:count])) in COMMANDS:
            return name, list(words[count:])
    group = [name for name in COMMANDS if words and name.split()[0] == words[0]]
    common = len(group[:1])
    if not words[common:] or words[common] in (*HELP, "help"):
        return "", list(words[:common])
    raise InputError(nearest.unknown_command(" ".join(words[: 2 if group else 1]), COMMANDS))


def execute(words: Sequence[str]) -> int:
    """Runs one command.

    Args:
      words: its name and its flags.

    Returns:
      The exit status.

    Raises:
      InputError: if a word is wrong, and what the command raises.
    """
    name, rest = _named(words)
    if not name:
        print(usage(*rest))
        return 0
    it = COMMANDS[name]
    reader = parser(name)
    if any(word in HELP for word in rest):
        print(reader.format_help(), end="")
        if it.fields:
            importlib.import_module(f"rankq_jax.{it.module}").explain(rest)
        return 0
    values = reader.read(rest)
    it.check(values)
    values.command = ["rankq", *words]
    module = importlib.import_module(f"rankq_jax.{it.module}")
    if not name.startswith("sweep"):  # whose jobs load them
        load(values.imports)
    command.prepare_logs()
    return module.main(values) or 0


def main(*name: str) -> int:
    """Runs the command of the process and ends it with the status of the outcome.

    Args:
      *name: of the command, where it is not the first word of the command line.
    """
    return command.run(lambda words: execute([*name, *words]))
