"""Functions that refuse the values of their arguments that are out of bounds, before anything is computed.

What `checked` knows of a function `arguments` returns as data: from it a configuration takes the names, the
defaults and the bounds of its fields, so that a call in Python and a configuration mean the same.
"""

import functools
import inspect
import re
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeVar, cast

from rankq_jax.bounds.values import (
    Bound,
    Either,
    Flag,
    Interval,
    Many,
    OneOf,
    Optional,
    bound_of,
    refuse,
    refuse_type,
)
from rankq_jax.errors import suggestion

Function = TypeVar("Function", bound=Callable[..., Any])


class Argument(NamedTuple):
    """What is known of an argument.

    Attributes:
      bound: its values; None: it takes what its type says, and is none of a configuration's.
      default: its default; `inspect.Parameter.empty` if it has none.
      help: what the `Args:` of the function's docstring say of it; empty if they do not.
    """

    bound: Bound | None
    default: Any
    help: str = ""


def described(bound: Bound) -> str:
    """The values of a bound in words, e.g. `number in (0, 1]`."""
    match bound:
        case Interval():
            return f"{'whole ' if bound.integer else ''}number in {bound.ends}"
        case OneOf(known, _, empty, _):
            return f"one of {', '.join(map(repr, [*known, *([''] if empty else [])]))}"
        case Many(each, most):
            return f"at most {most} times {described(each)}"
        case Optional(inner):
            return f"{described(inner)}, or None"
        case Either(_, words):
            return words
        case Flag():
            return "True or False"
    return "one line of text"


def arguments(function: Callable[..., Any]) -> dict[str, Argument]:
    """The named arguments of a `checked` function, those that it passes on first."""
    return dict(getattr(function, "__arguments__", {}))


def checked(
    passed_on: Callable[..., Any] | None = None, given: Iterable[str] = ()
) -> Callable[[Function], Function]:
    """A decorator: the function refuses a value that is out of the bound of its argument.

    Args:
      passed_on: the checked function that takes what `**arguments` holds; None: there is nothing of the kind.
      given: arguments of `passed_on` that the function itself gives.

    The decorated function raises:
      ValueError: names argument, value and bound, in one line.
      TypeError: if it takes no argument of a name that it is given (says which name is near), or a value is
        not the NamedTuple that the argument is annotated with.
    """

    def decorate(function: Function) -> Function:
        signature = inspect.signature(function)
        helps = _words(function.__doc__ or "")
        theirs = {} if passed_on is None else arguments(passed_on)
        own = {
            name: Argument(bound_of(it.annotation), it.default, theirs[name].help if name in theirs else "")
            for name, it in signature.parameters.items()
            if it.kind is not inspect.Parameter.VAR_KEYWORD
        }
        known = {name: it for name, it in theirs.items() if name not in own and name not in given} | own
        records = {name: it.annotation for name, it in signature.parameters.items() if _record(it.annotation)}
        known = {name: it._replace(help=helps.get(name, it.help)) for name, it in known.items()}

        @functools.wraps(function)
        def call(*args: Any, **named: Any) -> Any:
            for name in named:
                if name not in known:
                    hint = suggestion(name, known)
                    raise TypeError(f"{function.__name__} takes no argument {name!r}.{hint}")
            for name, value in {**dict(zip(own, args, strict=False)), **named}.items():
                if (bound := known[name].bound) is not None:
                    refuse(name, value, bound)
                if name in records:
                    refuse_type(name, value, records[name])
            return function(*args, **named)

        shown = _signature(signature, passed_on, known)
        vars(call).update(__arguments__=known, __signature__=shown)
        if function.__doc__:
            call.__doc__ = _documented(function.__doc__, {name: known[name] for name in shown.parameters})
        return cast(Function, call)

    return decorate


def _record(annotation: Any) -> bool:
    """Whether an annotation is a NamedTuple, as those of networks, optimizers and agents are."""
    return isinstance(annotation, type) and hasattr(annotation, "_fields")


def _signature(
    own: inspect.Signature, passed_on: Callable[..., Any] | None, known: dict[str, Argument]
) -> inspect.Signature:
    """`own` with the arguments that go to `passed_on` by name, in place of `**arguments`."""
    kept = [p for p in own.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
    if passed_on is not None:
        names = {parameter.name for parameter in kept}
        others = inspect.signature(passed_on).parameters.values()
        kept += [
            parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
            for parameter in others
            if parameter.name in known and parameter.name not in names
        ]
    plain = [p.replace(annotation=getattr(p.annotation, "__origin__", p.annotation)) for p in kept]
    return own.replace(parameters=plain)  # the bounds stand in the docstring


_ENTRY = re.compile(r"^( *)(\*{0,2}\w+): (.*(?:\n\1 +.*)*)", flags=re.MULTILINE)


def _words(text: str) -> dict[str, str]:
    """What the section `Args` of a docstring says, by argument, each in one line."""
    section = inspect.cleandoc(text).partition("Args:\n")[2].partition("\n\n")[0]
    return {name: " ".join(words.split()) for _, name, words in _ENTRY.findall(section)}


def _documented(text: str, known: dict[str, Argument]) -> str:
    """A docstring whose section `Args` has every argument, with its values and its default."""
    head, _, rest = inspect.cleandoc(text).partition("Args:\n")
    lines = []
    for name, (bound, default, words) in known.items():
        facts = [] if bound is None else [described(bound)]
        if default is not inspect.Parameter.empty:
            facts.append(f"default {getattr(default, '__name__', None) or repr(default)}")
        line = f"  {name}: {words}".rstrip()
        lines.append(line + (f" [{'; '.join(facts)}]" if facts else ""))
    tail = rest.partition("\n\n")[2]
    return "\n".join([head.rstrip(), "", "Args:", *lines, *(["", tail] if tail else [])])
