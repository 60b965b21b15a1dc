"""What somebody meant who gave a flag, a word or a command that is not there."""

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rankq_jax.errors import InputError, suggestion

if TYPE_CHECKING:
    from rankq_jax.cli.parser import Parser
    from rankq_jax.configs import Resolved

# What other programs call the flags of these commands.
FLAGS = {
    "out": "--workdir", "output": "--workdir", "logdir": "--workdir", "dir": "--workdir", "run": "--workdir",
    "num_episodes": "--episodes", "n_episodes": "--episodes", "force": "--accept-changes",
    "output_dir": "--workdir", "log_dir": "--workdir", "save_dir": "--workdir", "outdir": "--out",
    "jobs": "--parallel", "workers": "--parallel", "num_workers": "--parallel", "gpu": "--gpus",
    "time": "--minutes", "queue": "--partition", "env": "--task", "env_name": "--task",
}  # fmt: skip
USUAL = "--config=rankq:pointmaze-umaze"  # whose fields are told where none is chosen
TASK = ("task", "env", "env_name", "environment", "env_id")
ALGORITHM = ("algorithm", "algo", "agent", "method", "name")
# Further names of commands.
COMMANDS = {
    "export policy": "export", "eval": "evaluate", "run": "train", "launch": "sweep local",
    "make": "dataset make", "generate": "dataset make", "convert": "dataset convert", "plot": "report",
    "inspect": "dataset inspect", "plan": "sweep plan", "local": "sweep local", "ray": "sweep ray",
    "slurm": "sweep slurm", "status": "sweep status", "results": "sweep results",
}  # fmt: skip


def unknown_flag(parser: "Parser", name: str, value: str, rest: Sequence[str]) -> str:
    """What is wrong with a flag that a command does not have, or with a word of no flag, and what to write.

    Args:
      parser: of the command.
      name: of the flag, with its dashes; empty for a word.
      value: of the flag; the word.
      rest: further words of the command line, for the configuration that they may name.
    """
    if not name:
        return f"unexpected argument {value!r}; {_in_place_of(parser, value)}"
    plain = re.sub(r"[-.]", "_", name.lstrip("-")).lower()
    known = [flag for flag in parser.flags if flag != "--help"]
    tell = f"unknown flag {name}."
    if name.startswith("-") and not name.startswith("--") and f"-{name}" in known:
        return f"{tell} Did you mean '-{name}'?"
    meant = FLAGS.get(plain)
    if not parser.fields and name.startswith("--config"):
        return f"{name}: `{parser.prog}` reads {_configuration(known)}; leave it out."
    if near := difflib.get_close_matches(plain, [_plain(flag) for flag in known], n=1, cutoff=0.75):
        return f"{tell} Did you mean {'--' + near[0].replace('_', '-')!r}?"
    if parser.fields:
        if plain in TASK:
            return f"{tell} Write the task after the colon: --config=NAME:{value or 'TASK'}."
        if plain in ALGORITHM:
            return f"{tell} Write the algorithm before the colon: --config={value or 'NAME'}:TASK."
        from rankq_jax.configs.names import named

        fields = _fields(rest)
        if found := named(plain.removeprefix("config_"), fields):
            return f"{tell} Did you mean {' or '.join(repr(f'--config.{one}') for one in found)}?"
    if meant in known:
        return f"{tell} Did you mean {meant!r}?"
    if parser.fields:
        candidates = {name.rpartition(".")[2]: f"--config.{name}" for name in reversed(fields)}
        candidates |= {_plain(flag): flag for flag in known}
        if near := difflib.get_close_matches(plain, candidates, n=1):
            return f"{tell} Did you mean {candidates[near[0]]!r}?"
        return f"{tell} See `{parser.prog} --help` for the flags and for every field, --config.FIELD=VALUE."
    return tell + suggestion(name, known)


def _configuration(known: Sequence[str]) -> str:
    """Where a command with these flags has its configuration from."""
    if "--workdir" not in known:
        return "no configuration"
    return "the configuration from the workdir" + (" or from the weights" if "--weights" in known else "")


def _plain(flag: str) -> str:
    return flag.removeprefix("--").replace("-", "_")


def chosen(words: Sequence[str]) -> tuple[str, "Resolved"]:
    """The last `--config=...` of words, or else the usual one, and the configuration that it names."""
    from rankq_jax import configs

    word = ([USUAL] + [word for word in words if word.startswith("--config=")])[-1]
    try:
        return word, configs.read([word])
    except InputError:
        return USUAL, configs.read([USUAL])


def _fields(words: Sequence[str]) -> list[str]:
    """The fields of the configuration that words name, those of its algorithm first."""
    config = chosen(words)[1].config
    return sorted(config.flat(), key=lambda name: not name.startswith(f"{config.algorithm}."))


def _in_place_of(parser: "Parser", word: str) -> str:
    """What to write in place of a word that belongs to no flag."""
    name, equals, value = word.partition("=")
    if equals and (near := [flag for flag in parser.flags if _plain(flag) == name.replace("-", "_")]):
        return f"write {near[0]}={value}."
    if not parser.fields:
        return "values go to flags, --name=value."
    from rankq_jax import configs, tasks
    from rankq_jax.configs.names import named

    if equals:
        name = name.removeprefix("config.")
        return f"write --config.{(named(name, _fields([])) or [name])[0]}={value}."
    name, _, task = word.partition(":")
    if name.removesuffix(".py") in configs.ARMS:
        return f"write --config={name}:{task or 'TASK'}."
    if longer := [known for known in tasks.TASKS if known.startswith(f"{word}-")]:
        return f"write --config=NAME:TASK with one of the tasks {', '.join(longer)}."
    near = difflib.get_close_matches(word, tasks.TASKS, n=1)
    return (
        f"write --config=NAME:{near[0]}." if near else "write --config=NAME:TASK, then --config.FIELD=VALUE."
    )


def unknown_command(word: str, known: Mapping[str, object]) -> str:
    """That there is no such command, and which one was meant.

    Args:
      word: what was given, e.g. `trian` or `sweep lokal`.
      known: full names of all commands.
    """
    plain = re.sub(r"[-_.]+", " ", word)
    names = {**{name: name for name in known}, **COMMANDS}
    for name in known:
        names.setdefault(" ".join(reversed(name.split())), name)
    near = difflib.get_close_matches(plain, names, n=1, cutoff=0.6)
    hint = f"Did you mean 'rankq {names[near[0]]}'?" if near else f"Known: {', '.join(known)}."
    return f"unknown command {word!r}. {hint}"
