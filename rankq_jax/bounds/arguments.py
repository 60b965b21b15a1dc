"""Functions that refuse the values of their arguments that are out of bounds, before anything is computed.

What `checked` knows of a function `arguments` returns as data: from it a configuration takes the names, the
defaults and the bounds of its fields, so that a call in Python and a configuration mean the same.
"""

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeVar, cast

from rankq_jax.bounds.values import Bound, bound_of, refuse
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


def _helps(function: Callable[..., Any]) -> dict[str, str]:
    """`{name: text}` of the `Args:` of a docstring, each in one line."""
    _, _, text = (inspect.getdoc(function) or "").partition("\nArgs:\n")
    found: dict[str, str] = {}
    name = ""
    for line in text.splitlines():
        if not line.startswith("  "):  # the section ends with a line that is empty or not indented
            break
        head, colon, rest = line.strip().partition(": ")
        if colon and not line.startswith("    "):
            name, found[head] = head, rest
        elif name:
            found[name] += f" {line.strip()}"
    return found


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
      TypeError: if it takes no argument of a name that it is given; says which name is near.
    """

    def decorate(function: Function) -> Function:
        signature = inspect.signature(function)
        helps = _helps(function)
        own = {
            name: Argument(bound_of(parameter.annotation), parameter.default, helps.get(name, ""))
            for name, parameter in signature.parameters.items()
            if parameter.kind is not inspect.Parameter.VAR_KEYWORD
        }
        kept = () if passed_on is None else arguments(passed_on).items()
        known = {name: it for name, it in kept if name not in own and name not in given} | own

        @functools.wraps(function)
        def call(*args: Any, **named: Any) -> Any:
            for name in named:
                if name not in known:
                    hint = suggestion(name, known)
                    raise TypeError(f"{function.__name__} takes no argument {name!r}.{hint}")
            for name, value in {**dict(zip(own, args, strict=False)), **named}.items():
                bound = known[name].bound
                if bound is not None:
                    refuse(name, value, bound)
            return function(*args, **named)

        call.__arguments__ = known  # type: ignore[attr-defined]
        return cast(Function, call)

    return decorate
