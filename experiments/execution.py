"""How a computation is laid out, by device: choices that change its speed, and results by rounding alone."""

from typing import NamedTuple

import jax
import ml_collections

from rankq_jax.errors import InputError, suggestion


class Execution(NamedTuple):
    """Fields of `config.execution` with `auto` resolved.

    Attributes:
      seeds: `batched` trains all seeds of a device at once, `sequential` one after another.
      critics: `batched` makes one matrix product of all members of an ensemble, `unrolled` one each.
      acting: `device` acts where it trains, `host` on the CPU, on parameters that are fetched once a round.
    """

    seeds: str
    critics: str
    acting: str


CHOICES = {
    "seeds": ("batched", "sequential"), "critics": ("batched", "unrolled"), "acting": ("device", "host"),
}  # fmt: skip
# Measured by benchmarks.seeds and benchmarks.layouts; see docs/benchmarks.md.
CPU = Execution("sequential", "unrolled", "device")
# Not measured yet: what one expects where launching a kernel costs more than what it computes.
ACCELERATOR = Execution("batched", "batched", "host")


def execution_of(config: ml_collections.ConfigDict, platform: str | None = None) -> Execution:
    """The layout on a platform, by default that of the first device.

    Raises:
      InputError: if a value is unknown.
    """
    default = CPU if (platform or jax.default_backend()) == "cpu" else ACCELERATOR
    chosen = {}
    for name in Execution._fields:
        value, known = config.execution[name], CHOICES[name]
        if value not in ("auto", *known):
            hint = suggestion(value, ["auto", *known])
            raise InputError(f"--config.execution.{name}: unknown value {value!r}.{hint}")
        chosen[name] = getattr(default, name) if value == "auto" else value
    return Execution(**chosen)
