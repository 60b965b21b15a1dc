"""One command line: flags of one style, fields of a configuration, and errors of one line."""

import argparse
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rankq_jax.bounds import Bound, read
from rankq_jax.cli.nearest import unknown_flag
from rankq_jax.errors import InputError

HELP = ("-h", "--help")
# Of a command that reads a configuration.
USAGE = "%(prog)s --config=NAME:TASK[,WORD] [--config.FIELD=VALUE ...] [--workdir=DIR] ..."
FIELDS = """

--config=NAME:TASK[,WORD] names a configuration and a task, e.g. rankq:pointmaze-umaze,smoke;
--config.FIELD=VALUE changes a field, any number of times."""
# Of a command that lets arguments of the algorithm differ.
CHANGES = """

--config.ALGORITHM.ARGUMENT=VALUE changes how the policy acts, e.g. --config.flow_bc.steps=1."""


class Parser(argparse.ArgumentParser):
    """The flags of one command. Errors are `InputError`s, and `--help` is a flag like others."""

    def __init__(self, name: str, about: str = "", fields: bool = False, changes: bool = False) -> None:
        """Has `--help` and nothing else.

        Args:
          name: of the command, e.g. `dataset make`.
          about: what `--help` begins with.
          fields: whether it also reads a configuration: `--config=...` and `--config.FIELD=VALUE`.
          changes: whether it reads `--config.FIELD=VALUE` only.
        """
        super().__init__(
            prog=f"rankq {name}",
            usage=USAGE if fields else None,
            description=about + (FIELDS if fields else CHANGES if changes else ""),
            allow_abbrev=False,
            add_help=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        self.name, self.fields, self.changes, self.expected = name, fields, changes, ""
        self.add_argument(*HELP, action="store_true", help="show this and exit")

    def add(self, name: str, help: str, how: Mapping[str, Any]) -> None:
        """Adds a flag, or words that belong to no flag; the help of those says what to write."""
        if not name.startswith("-"):
            self.expected = help
        self.add_argument(name, help=help, **how)

    def error(self, message: str) -> None:  # type: ignore[override]
        """Raises `InputError` with the message in the words of all other errors."""
        advice = f"see `{self.prog} --help`"
        if found := re.fullmatch(r"the following arguments are required: (.*)", message):
            raise InputError(f"{found[1]}: missing; {self.expected or advice}.")
        if found := re.fullmatch(r"argument (\S+): (=?)(.*)", message):
            text = found[3].replace("expected one argument", f"takes a value; {advice}.")
            text = re.sub(r"ignored explicit argument .*", "takes no value; leave that out.", text)
            raise InputError(f"{found[1]}{found[2] or ': '}{text}")
        raise InputError(f"{message}; {advice}.")

    def read(self, words: Sequence[str]) -> argparse.Namespace:
        """The values of a command line; `words` of it are those of the configuration, `--config...`.

        Raises:
          InputError: if a flag is unknown or its value is wrong, or a word belongs to no flag.
        """
        own, fields = self._split(words)
        values = self.parse_intermixed_args(own)
        values.words = fields
        return values

    def _split(self, words: Sequence[str]) -> tuple[list[str], list[str]]:
        """The words of the flags, in the style in which they are defined, and those of the configuration."""
        own: list[str] = []
        fields: list[str] = []
        rest = list(words)
        while rest:
            word = rest.pop(0)
            name, equals, value = word.partition("=")
            if word == "--":
                return [*own, word, *rest], fields
            of_field = name.startswith("--config.") and (self.fields or self.changes)
            if of_field or (self.fields and name == "--config"):
                if not equals and rest and not rest[0].startswith("--"):
                    word = f"{name}={rest.pop(0)}"
                fields.append(word)
            elif re.match(r"-+[A-Za-z?]", word):
                action = self._option_string_actions.get(name.replace("_", "-"))
                if action is None:
                    raise InputError(unknown_flag(self, name, value, [*fields, *rest]))
                own.append(name.replace("_", "-") + equals + value)
                if action.nargs is None and not equals and rest:
                    own.append(rest.pop(0))
            elif not self.expected:
                raise InputError(unknown_flag(self, "", word, [*fields, *rest]))
            else:
                own.append(word)
        return own, fields

    @property
    def flags(self) -> list[str]:
        """The long names of all flags."""
        return [name for name in self._option_string_actions if name.startswith("--")]


def of(bound: Bound) -> Callable[[str], Any]:
    """The type of a flag: the values of a bound."""

    def value(text: str) -> Any:
        found = read(text, bound)
        if why := bound.refusal(found):
            raise argparse.ArgumentTypeError(f"{why}." if why.startswith("unknown ") else f"={text}: {why}.")
        return found

    return value
