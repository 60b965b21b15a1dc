"""What is known of an algorithm beside its code: one record each, declared where the code stands."""

import functools
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeVar, cast

from rankq_jax.errors import add_name
from rankq_jax.types import Agent

Make = TypeVar("Make", bound=Callable[..., Agent])


def one_batch(**arguments: Any) -> int:
    """One batch per update, whatever the arguments are."""
    del arguments
    return 1


class AgentSpec(NamedTuple):
    """One algorithm.

    Attributes:
      name: the name in `AGENTS`, and of its section in a configuration.
      make: `(networks, optimizers, **arguments) -> Agent`; a `bounds.checked` function, whose arguments with
        a bound are those of the section.
      networks: the preset (`networks.FAMILIES`) that its published code uses.
      columns: the columns of `Transition.extras` that its update reads.
      duals: the dual variables that its state can have.
      batches_per_update: `(**arguments) -> int`, how many batches one update takes.
      optional: the columns that it reads where the data has them.
    """

    name: str
    make: Callable[..., Agent]
    networks: str = "cal_ql"
    columns: tuple[str, ...] = ()
    duals: tuple[str, ...] = ()
    batches_per_update: Callable[..., int] = one_batch
    optional: tuple[str, ...] = ()


AGENTS: dict[str, AgentSpec] = {}


def reads(name: str, column: str) -> bool:
    """Whether `AGENTS` has an algorithm of that name that reads a column of `Transition.extras`."""
    return name in AGENTS and column in (*AGENTS[name].columns, *AGENTS[name].optional)


def register_agent(spec: AgentSpec) -> AgentSpec:
    """Adds an algorithm to `AGENTS`; its name is then known to configurations and commands.

    Raises:
      ValueError: if the name is no Python identifier, or belongs to another algorithm.
    """
    if not spec.name.isidentifier():
        raise ValueError(f"agent {spec.name!r}: the name must be a Python identifier")
    return add_name(AGENTS, "agent", spec.name, spec)


def agent(
    networks: str = "cal_ql",
    *,
    columns: Iterable[str] = (),
    duals: Iterable[str] = (),
    batches_per_update: Callable[..., int] = one_batch,
    optional: Iterable[str] = (),
) -> Callable[[Make], Make]:
    """A decorator that registers a constructor under its own name, which its agents have too.

    See `AgentSpec` for the arguments.
    """

    def declare(make: Make) -> Make:
        @functools.wraps(make)
        def named(*args: Any, **arguments: Any) -> Agent:
            return make(*args, **arguments)._replace(name=make.__name__)

        own = cast(Make, named)
        spec = AgentSpec(make.__name__, own, networks, tuple(columns), tuple(duals), batches_per_update)
        register_agent(spec._replace(optional=tuple(optional)))
        return own

    return declare
