"""Types of the fields of a configuration with their bounds, and what is known of a field."""

import dataclasses
import functools
import typing
from collections.abc import Callable, Mapping
from typing import Annotated, Any, NamedTuple

from rankq_jax import tasks
from rankq_jax.agents import AGENTS
from rankq_jax.agents.encoders import HOW
from rankq_jax.bounds import Bound, Either, Interval, OneOf, Text, arguments, bound_of
from rankq_jax.data.readings import READINGS
from rankq_jax.errors import PLUGINS
from rankq_jax.networks import ENCODERS, FAMILIES
from rankq_jax.tasks.datasets import MOST_STEPS

LAST_SEED = 2**32 - 1  # of a random key
Line = Annotated[str, Text()]
Name = Annotated[str, Text(255)]
Seed = Annotated[int, Interval(0, LAST_SEED, integer=True)]
# Of a policy's or a critic's rate; 0 leaves the network as it is.
LearningRate = Annotated[float, Interval(0.0, 1.0)]
# 1 - discount has 5 digits in float32 up to here: a horizon of 100,000 steps.
Discount = Annotated[float, Interval(0.0, 0.99999, above=True)]
Threads = Annotated[int, Interval(0, 4096, integer=True)]
Dispatch = Annotated[int, Interval(1, 1_000_000, integer=True)]  # updates of one program
PerStep = Annotated[float, Interval(0.0, 1000.0)]
Minutes = Annotated[float, Interval(0.0, 525_600.0)]  # a year
Restarts = Annotated[int, Interval(0, 1000, integer=True)]
Steps = Annotated[int, Interval(0, MOST_STEPS, integer=True)]
Mixing = Annotated[float, Either((Interval(0.0, 1.0), Interval(-1.0, -1.0)), "-1 or between 0 and 1")]
TaskName = Annotated[str, OneOf(tasks.NAMES, "task", more=PLUGINS.format("task"))]
Algorithm = Annotated[str, OneOf(AGENTS, "algorithm", more=PLUGINS.format("agent"))]
PhaseAlgorithm = Annotated[str, OneOf(AGENTS, "algorithm", empty=True, more=PLUGINS.format("agent"))]
Reading = Annotated[str, OneOf(READINGS)]
Family = Annotated[str, OneOf(FAMILIES)]
Storage = Annotated[str, OneOf(("memory", "disk"))]
InitParts = Annotated[str, OneOf(("all", "policy"))]
Encoder = Annotated[str, OneOf(ENCODERS)]
Shift = Annotated[int, Interval(0, 1000, integer=True)]  # pixels
EncoderTraining = Annotated[str, OneOf(HOW)]
SuccessWeight = Annotated[str, OneOf(("given", "balanced"))]
RewardScaling = Annotated[str, OneOf(("given", "return_range"))]
ADAM, MUON = "adam", "muon"
Optimizer = Annotated[str, OneOf((ADAM, MUON))]
ClipGroups = Annotated[str, OneOf(("networks", "optimizers"))]
Parallel = Annotated[str, OneOf(("seeds", "batch"))]
SeedsExecution = Annotated[str, OneOf(("auto", "batched", "sequential"))]
CriticsExecution = Annotated[str, OneOf(("auto", "batched", "unrolled"))]
Draws = Annotated[str, OneOf(("auto", "before", "within"))]
EvaluationOrder = Annotated[str, OneOf(("auto", "beside", "between"))]
Acting = Annotated[str, OneOf(("auto", "device", "host"))]
ComputeType = Annotated[str, OneOf(("float32", "bfloat16"))]
Precision = Annotated[str, OneOf(("default", "high", "highest"))]


class Field(NamedTuple):
    """What is known of a field.

    Attributes:
      bound: the set of its values; None for an argument of an agent that declares none.
      default: the value where no layer sets another.
      help: what it is, in a sentence.
      unit: of its values; empty where it has none.
    """

    bound: Bound | None
    default: Any
    help: str
    unit: str = ""


def field(default: Any, help: str, unit: str = "") -> Any:
    """A field of a dataclass with its default, its help and its unit."""
    return dataclasses.field(default=default, metadata={"help": help, "unit": unit})


def fields_of(record: type, prefix: str = "") -> dict[str, Field]:
    """The fields of a dataclass and of the dataclasses within it, by their names with dots.

    Mappings of arguments of agents are left out.
    """
    hints = typing.get_type_hints(record, include_extras=True)
    found: dict[str, Field] = {}
    for entry in dataclasses.fields(record):
        if dataclasses.is_dataclass(hints[entry.name]):
            found |= fields_of(typing.cast(type, hints[entry.name]), f"{prefix}{entry.name}.")
        elif "help" in entry.metadata:
            bound = bound_of(hints[entry.name])
            found[prefix + entry.name] = Field(bound, entry.default, **entry.metadata)
    return found


def arguments_of(algorithm: str) -> dict[str, Field]:
    """The arguments of an algorithm that a configuration has, with the defaults of a call in Python."""
    return _fields(AGENTS[algorithm].make)


@functools.cache
def _fields(agent: Callable[..., Any]) -> dict[str, Field]:
    return {
        name: Field(it.bound, it.default, it.help)
        for name, it in arguments(agent).items()
        if it.bound is not None
    }


def defaults_of_sections() -> dict[str, Mapping[str, Any]]:
    """`{algorithm: {argument: default}}` of all algorithms."""
    return {
        algorithm: {name: it.default for name, it in arguments_of(algorithm).items()} for algorithm in AGENTS
    }


def nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """`{"a.b": 1}` as `{"a": {"b": 1}}`."""
    found: dict[str, Any] = {}
    for name, value in flat.items():
        *path, last = name.split(".")
        inner = found
        for part in path:
            inner = inner.setdefault(part, {})
        inner[last] = value
    return found
