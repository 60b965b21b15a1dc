"""How a computation is made, by device: choices that change its speed, and results by rounding alone."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rankq_jax.configs import ExecutionConfig
from rankq_jax.networks import Arithmetic


class Execution(NamedTuple):
    """Fields of `config.execution` with `auto` resolved. Precision has none: less of it must be asked for.

    Attributes:
      seeds: `batched` trains all seeds of a device at once, `sequential` one after another.
      critics: `batched` makes one matrix product of all members of an ensemble, `unrolled` one each.
      acting: `device` acts where it trains, `host` on the CPU, on parameters that are fetched once a round.
      compute_dtype: of the hidden layers of policies, critics and state values.
      matmul_precision: of matrix products, a name of `jax.lax.Precision`; `default` is the device's own.
    """

    seeds: str
    critics: str
    acting: str
    compute_dtype: str = "float32"
    matmul_precision: str = "default"


# Measured by benchmarks.seeds and benchmarks.layouts; see docs/benchmarks.md.
CPU = Execution("sequential", "unrolled", "host")
# Not measured yet: what one expects where launching a kernel costs more than what it computes.
ACCELERATOR = Execution("batched", "batched", "host")


def execution_of(config: ExecutionConfig, platform: str | None = None) -> Execution:
    """The layout on a platform, by default that of the first device."""
    default = CPU if (platform or jax.default_backend()) == "cpu" else ACCELERATOR
    chosen = {name: getattr(config, name) for name in Execution._fields}
    return default._replace(**{name: value for name, value in chosen.items() if value != "auto"})


def arithmetic_of(execution: Execution) -> Arithmetic:
    """What the networks compute in."""
    name = execution.matmul_precision
    # None and not Precision.DEFAULT, so that JAX_DEFAULT_MATMUL_PRECISION still has its say.
    precision = None if name == "default" else jax.lax.Precision[name.upper()]
    return Arithmetic(jnp.dtype(execution.compute_dtype), precision)
