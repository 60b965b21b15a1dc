"""Which devices train and which one acts. Looked up once, when a run is built."""

import os
from collections.abc import Sequence
from typing import NamedTuple

import jax
import ml_collections

from experiments.execution import execution_of


class Devices(NamedTuple):
    """What trains and what acts.

    Attributes:
      training: where updates run; with `config.parallel=batch` those of all processes that are joined.
      acting: where policies act; None: on the first of `training`.
    """

    training: Sequence[jax.Device]
    acting: jax.Device | None


def spare(config: ml_collections.ConfigDict) -> None:
    """Asks for a second CPU device where collecting overlaps with updates; before jax starts its devices.

    A CPU device runs one program after another, so that on a single one a policy would wait for the updates.
    A number of CPU devices that the user has set is left as it is.
    """
    by_flag = "host_platform_device_count" in os.environ.get("XLA_FLAGS", "")
    if config.online.overlap and not by_flag and jax.config.values["jax_num_cpu_devices"] < 0:
        jax.config.update("jax_num_cpu_devices", 2)


def devices_of(config: ml_collections.ConfigDict) -> Devices:
    """The devices of a configuration. On CPU the last one is kept for acting where phases overlap.

    Raises:
      InputError: if a value of `config.execution` is unknown.
    """
    local = jax.local_devices()
    training = jax.devices() if config.parallel == "batch" else local  # one learner spans all processes
    if execution_of(config).acting == "device":
        return Devices(training, None)
    if local[0].platform != "cpu":
        try:
            return Devices(training, jax.local_devices(backend="cpu")[0])
        except RuntimeError:  # JAX_PLATFORMS names the accelerator alone
            return Devices(training, None)
    if config.online.overlap and len(local) > 1 and jax.process_count() == 1:
        return Devices(training[:-1], training[-1])
    return Devices(training, None)
