"""Several processes, on one machine or on many, that train one configuration.

With `config.parallel=batch` they are joined to one learner on the devices of all. With
`config.parallel=seeds` each trains its own seeds and knows nothing of the others.
"""

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from jax.experimental import multihost_utils

from rankq_jax.configs import RunConfig
from rankq_jax.errors import InputError
from rankq_jax.training.workdir import PART


class Member(NamedTuple):
    """One of `processes` that train seeds of one configuration apart; `Member()` is alone."""

    process: int = 0
    processes: int = 1


class Joining(NamedTuple):
    """What the command line says about other processes.

    Attributes:
      coordinator: `HOST:PORT` of process 0, which the others join, or None.
      processes: how many train together, or None.
      process: which of them this is, from 0, or None.
      distributed: whether to find them by what started them (Slurm, TPU).
    """

    coordinator: str | None = None
    processes: int | None = None
    process: int | None = None
    distributed: bool = False


def start(config: RunConfig, shared: bool, asked: Joining) -> Member:
    """Does what the flags say about other processes; before anything looks for a device.

    Args:
      config: the configuration.
      shared: whether `--workdir` is given, so that the processes can have it in common.
      asked: what the command line says about them.

    Returns:
      Whose seeds to train.

    Raises:
      InputError: if the flags do not fit each other or the configuration, or the others are not found.
    """
    member = _checked(config, shared, asked)
    if config.parallel == "batch" and (asked.distributed or member.processes > 1):
        _join(member, asked)
        return Member()
    return member


def _checked(config: RunConfig, shared: bool, asked: Joining) -> Member:
    coordinator, index, count = asked.coordinator, asked.process, asked.processes
    given = (coordinator, index, count) != (None, None, None)
    if asked.distributed and given:
        raise InputError("--distributed: finds out itself; leave --coordinator, --processes, --process out.")
    member = Member()
    if index is not None and count is not None:
        if not 0 <= index < count:
            raise InputError(f"--process={index}: must be from 0 to --processes less 1, {count - 1}.")
        member = Member(index, count)
    elif given:
        raise InputError("--processes and --process: belong together; give how many, and which this is.")
    if not (given or asked.distributed):
        return member
    if not shared:
        raise InputError("--workdir: several processes need one that they share; give it.")
    if config.parallel == "batch":
        if given and coordinator is None:
            raise InputError("--coordinator: is missing, config.parallel=batch needs it; give HOST:PORT.")
    elif coordinator is not None or asked.distributed:
        name = "--distributed" if asked.distributed else "--coordinator"
        raise InputError(f"{name}: is for config.parallel=batch; seeds need --processes and --process alone.")
    elif config.seeds < member.processes:
        raise InputError(f"config.seeds={config.seeds}: fewer than {member.processes} processes; start less.")
    return member


def _join(member: Member, asked: Joining) -> None:
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    try:
        if asked.distributed:
            jax.distributed.initialize()
        else:
            jax.distributed.initialize(asked.coordinator, member.processes, member.process)
    except (RuntimeError, ValueError) as error:
        name = "--distributed" if asked.distributed else f"--coordinator={asked.coordinator}"
        raise InputError(f"{name}: the processes were not joined ({error}); check the flags.") from error


def joined() -> bool:
    """Whether this process and others train one learner."""
    return jax.process_count() > 1


def first() -> bool:
    """Whether this process writes what processes that are joined leave behind."""
    return jax.process_index() == 0


def wait(name: str) -> None:
    """Returns when all processes that are joined have come here."""
    if joined():
        multihost_utils.sync_global_devices(name)


def agreed(wish: bool) -> bool:
    """Whether any of the processes that are joined wishes it; all of them ask at the same point."""
    if not joined():
        return wish
    return bool(np.any(multihost_utils.process_allgather(np.asarray(wish))))


@contextlib.contextmanager
def first_alone(name: str) -> Iterator[None]:
    """Of processes that are joined the first one runs the body, then the others do."""
    if not first():
        wait(name)
    yield
    if first():
        wait(name)


def seeds_of(config: RunConfig, member: Member) -> RunConfig:
    """The configuration with the member's seeds alone: a contiguous block, of sizes that differ by one."""
    own = np.array_split(np.arange(config.seed, config.seed + config.seeds), member.processes)[member.process]
    return dataclasses.replace(config, seed=int(own[0]), seeds=len(own))


def folder_of(folder: Path, index: int) -> Path:
    """Where the process of that number trains its own seeds."""
    return folder / f"{PART}{index}"
