"""Runs the jobs of a sweep as actors of a Ray cluster, or of a local Ray that ends with this command.

rankq sweep ray launch/sweeps/smoke.py --cpus-per-job=1 --address=auto

Every machine needs this checkout and the folder of the workdirs under the same paths.
"""

import argparse
import hashlib
import os
import socket
import sys
from pathlib import Path
from typing import Any

from rankq_jax.errors import InputError, one_line
from rankq_jax.launch import commands, job, states
from rankq_jax.launch.scheduler import Scheduler, status_of

ROOT = Path(__file__).resolve().parents[2]  # what holds this package


def ready(address: str | None) -> None:
    """Returns at once if Ray is installed and something listens at an address.

    Raises:
      InputError: if not.
    """
    try:
        import ray  # noqa: F401
    except ImportError as error:
        raise InputError("ray: is not installed; run pip install 'rankq-jax[ray]'.") from error
    host, _, port = (address or "").rpartition(":")
    if host and port.isdecimal():
        try:  # Ray itself would try for minutes
            socket.create_connection((host, int(port)), timeout=10).close()
        except (OSError, OverflowError) as error:
            raise InputError(f"--address={address}: no Ray cluster answers ({one_line(error)}).") from error


def connect(address: str | None, out: Path) -> None:
    """Joins the cluster at an address, or starts a local Ray if that is None.

    Raises:
      InputError: if no cluster answers.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    import ray

    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    options["runtime_env"] = {"env_vars": {"PYTHONPATH": path}}
    if address is None:
        options |= {"include_dashboard": False, "object_store_memory": 100 * 2**20}
    # Names of actors hold within a namespace: the same folder finds its actors again.
    namespace = "rankq_jax-" + hashlib.sha256(str(out.resolve()).encode()).hexdigest()[:16]
    try:
        ray.init(address=address or "local", namespace=namespace, **options)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise InputError(f"--address={address}: no Ray cluster answers ({one_line(error)}).") from error


def main(arguments: argparse.Namespace) -> int:
    """Runs a sweep; returns 0 if all jobs are done, 1 if one failed, 75 if the same command goes on."""
    ready(arguments.address)
    jobs, out = commands.jobs_of(arguments)
    commands.check(jobs, out)
    connect(arguments.address, out)
    import ray

    from rankq_jax.launch.actors import Actors  # names ray, which may be missing

    detached = arguments.address is not None
    backend = Actors(out, arguments.attempts, arguments.cpus_per_job, arguments.gpus_per_job, detached)
    scheduler = Scheduler(jobs, out, arguments.attempts, backend)
    try:
        outcomes = scheduler.run()
    finally:
        ray.shutdown()
    states.show([states.of(job, out) for job in jobs])
    if backend.running:
        text = f"stopped watching: {len(backend.running)} jobs go on in the cluster"
        rest = f"{len(scheduler.waiting)} wait to be submitted; the same command watches again"
        print(f"{text}, {rest}", file=sys.stderr)
        return job.STOPPED
    return status_of(jobs, outcomes)
