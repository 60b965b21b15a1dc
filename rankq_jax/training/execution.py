"""How a computation is made, by device: choices that change its speed, and results by rounding alone."""

import dataclasses

import jax
import jax.numpy as jnp

from rankq_jax.configs import ExecutionConfig, RunConfig
from rankq_jax.networks import Arithmetic

# What `auto` means. Measured by benchmarks.seeds and benchmarks.layouts; see docs/benchmarks.md.
CPU = {
    "seeds": "sequential",
    "critics": "unrolled",
    "draws": "within",
    "acting": "host",
    "evaluation": "between",
}
# Launching a kernel costs more than what it computes. A single seed on an H200 is faster by a tenth without
# the vmap of one. Critics, draws and evaluations are not measured there yet.
ACCELERATOR = {
    "seeds": "batched", "critics": "batched", "draws": "before", "acting": "host", "evaluation": "beside",
}  # fmt: skip


def execution_of(config: ExecutionConfig, platform: str | None = None, seeds: int = 2) -> ExecutionConfig:
    """`config` without `auto`.

    Args:
      config: fields, of which some may be `auto`.
      platform: by default that of the first device.
      seeds: of a device.
    """
    usual = CPU if (platform or jax.default_backend()) == "cpu" else ACCELERATOR
    if seeds == 1:
        usual = {**usual, "seeds": "sequential"}
    chosen = {name: value for name, value in usual.items() if getattr(config, name) == "auto"}
    return dataclasses.replace(config, **chosen)


def seeds_of_device(config: RunConfig, devices: int) -> int:
    """How many seeds each of the devices trains."""
    return 1 if config.parallel == "batch" else -(-config.seeds // devices)


def arithmetic_of(execution: ExecutionConfig) -> Arithmetic:
    """What the networks compute in."""
    name = execution.matmul_precision
    # None and not Precision.DEFAULT, so that JAX_DEFAULT_MATMUL_PRECISION still has its say.
    precision = None if name == "default" else jax.lax.Precision[name.upper()]
    return Arithmetic(jnp.dtype(execution.compute_dtype), precision)
