"""Which devices train and which one acts. Looked up once, when a run is built."""

import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax

from rankq_jax.agents.encoders import CACHED
from rankq_jax.configs import RunConfig, task_of
from rankq_jax.errors import InputError
from rankq_jax.training.execution import execution_of, seeds_of_device

# Of JAX: other random numbers, or the same operations in other types or another precision.
SETTINGS = (
    "jax_default_prng_impl", "jax_threefry_partitionable", "jax_random_seed_offset",
    "jax_high_dynamic_range_gumbel", "jax_enable_x64", "jax_explicit_x64_dtypes",
    "jax_default_matmul_precision", "jax_numpy_dtype_promotion", "jax_allow_f16_reductions",
    "jax_disable_jit", "jax_disable_most_optimizations", "jax_optimization_level",
)  # fmt: skip
VARIABLES = ("NVIDIA_TF32_OVERRIDE",)
# Of XLA's flags: they say how many devices a CPU is, what is printed, and how programs are compiled side by
# side. The others may change numbers, by rounding at least.
HARMLESS = ("xla_force_host_platform_device_count", "xla_dump_", "xla_cpu_parallel_codegen_split_count")
# Where a driver of NVIDIA shows itself: natively, in a container, below Windows.
NVIDIA = ("/proc/driver/nvidia/version", "/dev/nvidia0", "/dev/nvidiactl", "/dev/dxg")


# What records of earlier versions do not say, because it was always so.
EARLIER = {"draws": "within", "evaluation": "between"}


class Devices(NamedTuple):
    """What trains and what acts.

    Attributes:
      training: where updates run; with `config.parallel=batch` those of all processes that are joined.
      acting: where policies act; None: on the first of `training`.
    """

    training: Sequence[jax.Device]
    acting: jax.Device | None


def spare(config: RunConfig) -> None:
    """Asks for a second CPU device where policies act while updates run; before jax starts its devices.

    A CPU device runs one program after another, so that on a single one a policy would wait for the updates.
    A number of CPU devices that the user has set is left as it is.
    """
    by_flag = "host_platform_device_count" in os.environ.get("XLA_FLAGS", "")
    if _acts_beside(config) and not by_flag and jax.config.values["jax_num_cpu_devices"] < 0:
        jax.config.update("jax_num_cpu_devices", 2)


def start() -> None:
    """Starts JAX's devices; whatever looks for one later finds them.

    Raises:
      InputError: if those that are asked for are not there, or none is.
    """
    try:
        jax.devices()
    except (RuntimeError, AssertionError) as error:  # the latter: JAX passes over `cuda` where no GPU is seen
        chosen = jax.config.jax_platforms  # type: ignore[attr-defined]
        if isinstance(error, RuntimeError) and "backend" not in str(error):
            raise
        cause = str(error).partition(" (set JAX_PLATFORMS")[0] or "no such device is there"
        raise InputError(
            f"JAX_PLATFORMS={chosen or ''}: {cause.rstrip('.')}; name platforms that are there, as cpu, or "
            "leave it out."
        ) from error


def devices_of(config: RunConfig) -> Devices:
    """The devices of a configuration. On CPU the last one is kept for policies that act while updates run."""
    local = jax.local_devices()
    training = jax.devices() if config.parallel == "batch" else local  # one learner spans all processes
    if execution_of(config.execution).acting == "device":
        return Devices(training, None)
    if local[0].platform != "cpu":
        try:
            return Devices(training, jax.local_devices(backend="cpu")[0])
        except RuntimeError:  # JAX_PLATFORMS names the accelerator alone
            return Devices(training, None)
    if _acts_beside(config) and len(local) > 1 and jax.process_count() == 1:
        return Devices(training[:-1], training[-1])
    return Devices(training, None)


def _acts_beside(config: RunConfig) -> bool:
    return config.online.overlap or config.execution.evaluation == "beside"


def evaluates_beside(config: RunConfig) -> bool:
    """Whether evaluations run beside the training that follows them.

    Not where processes are joined. By default not where policies would wait for the updates of their device,
    or observations for a backbone that lies there, nor in environments that are not ours: they may share what
    changes between threads.
    """
    chosen = execution_of(config.execution).evaluation == "beside" and jax.process_count() == 1
    if config.execution.evaluation != "auto" or not chosen:
        return chosen
    encodes = config.encoder_training == CACHED
    return devices_of(config).acting is not None and task_of(config).exact and not encodes


def settings() -> dict[str, Any]:
    """What is set outside a configuration and changes numbers: in JAX, in XLA, in the environment."""
    # Those that this version of JAX does not have are left out.
    found = {name: getattr(jax.config, name) for name in SETTINGS if hasattr(jax.config, name)}
    found |= {name: os.environ[name] for name in VARIABLES if name in os.environ}
    flags = os.environ.get("XLA_FLAGS", "")
    for flag in shlex.split(flags):
        name, _, value = flag.lstrip("-").partition("=")
        if not name.startswith(HARMLESS):
            found[f"XLA_FLAGS {name}"] = value
    return {
        name: value if isinstance(value, bool | int | None) else str(value) for name, value in found.items()
    }


def layout(config: RunConfig) -> dict[str, Any]:
    """What a configuration trains on, for the records: devices, and how the work lies on them."""
    devices = devices_of(config)
    first, count = devices.training[0], len(devices.training)
    execution = execution_of(config.execution, seeds=seeds_of_device(config, count))
    return {
        "number": count,
        "platform": first.platform,
        "kind": first.device_kind,
        **{name: getattr(execution, name) for name in ("seeds", "critics", "draws", "acting")},
        "evaluation": "beside" if evaluates_beside(config) else "between",
    }


def line(found: dict[str, Any]) -> str:
    """`layout` in words."""
    return (
        f"training on {found['number']} x {found['platform']} ({found['kind']}), seeds {found['seeds']}, "
        f"critics {found['critics']}, numbers drawn {found['draws']} updates, acting on {found['acting']}, "
        f"evaluations {found['evaluation']} updates"
    )


def forgotten(found: dict[str, Any], platforms: str | None) -> str:
    """A warning where a CPU trains beside a GPU that nobody has said to leave alone; empty otherwise.

    Args:
      found: as `layout`.
      platforms: that JAX was told to use.
    """
    place = next((path for path in NVIDIA if Path(path).exists()), None)
    if found["platform"] != "cpu" or place is None or platforms == "cpu":
        return ""
    return (
        f"an NVIDIA GPU may be there ({place}), and training runs on the CPU; install rankq-jax[cuda], or "
        "set JAX_PLATFORMS=cpu if that is meant."
    )
