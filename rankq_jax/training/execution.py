"""How a computation is made, by device: choices that change its speed, and results by rounding alone."""

import dataclasses

import jax
import jax.numpy as jnp

from rankq_jax.configs import ExecutionConfig
from rankq_jax.networks import Arithmetic

# What `auto` means. Measured by benchmarks.seeds and benchmarks.layouts; see docs/benchmarks.md.
CPU = {"seeds": "sequential", "critics": "unrolled", "acting": "host"}
# Not measured yet: what one expects where launching a kernel costs more than what it computes.
ACCELERATOR = {"seeds": "batched", "critics": "batched", "acting": "host"}


def execution_of(config: ExecutionConfig, platform: str | None = None) -> ExecutionConfig:
    """`config` without `auto`, for a platform, by default that of the first device."""
    usual = CPU if (platform or jax.default_backend()) == "cpu" else ACCELERATOR
    chosen = {name: value for name, value in usual.items() if getattr(config, name) == "auto"}
    return dataclasses.replace(config, **chosen)


def arithmetic_of(execution: ExecutionConfig) -> Arithmetic:
    """What the networks compute in."""
    name = execution.matmul_precision
    # None and not Precision.DEFAULT, so that JAX_DEFAULT_MATMUL_PRECISION still has its say.
    precision = None if name == "default" else jax.lax.Precision[name.upper()]
    return Arithmetic(jnp.dtype(execution.compute_dtype), precision)
