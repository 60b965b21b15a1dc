"""Which arguments an environment of gymnasium takes."""

import inspect
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import gymnasium
from gymnasium.envs.registration import load_env_creator

from rankq_jax.errors import suggestion


def unknown_argument(env_id: str, arguments: Iterable[str]) -> str:
    """Which argument an environment does not take, and which it takes; empty if it takes all of them.

    Args:
      env_id: a registered name.
      arguments: names that `gymnasium.make` is given.
    """
    entry = gymnasium.spec(env_id).entry_point
    creator = load_env_creator(entry) if isinstance(entry, str) else entry
    taken = list(_taken(creator)) if callable(creator) else []
    known = {*taken, *inspect.signature(gymnasium.make).parameters, "render_mode"}
    for argument in arguments:
        if argument not in known:
            hint = suggestion(argument, taken)
            return f"arguments: {argument!r} is none of those it takes ({', '.join(taken) or 'none'}).{hint}"
    return ""


def _taken(creator: Callable[..., Any]) -> Iterator[str]:
    functions: list[Callable[..., Any]] = [creator]
    if isinstance(creator, type):
        functions = [vars(kind)["__init__"] for kind in creator.__mro__ if "__init__" in vars(kind)]
    for function in functions:
        parameters = inspect.signature(function).parameters.values()
        for parameter in parameters:
            if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
                if parameter.name != "self":
                    yield parameter.name
        if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
            return  # what is left over is not passed to the class before it
