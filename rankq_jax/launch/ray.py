"""Runs the jobs of a sweep as actors of a Ray cluster, or of a local Ray that ends with this command.

python -m launch.ray launch/sweeps/smoke.py --cpus-per-job=1 --address=auto

Every machine needs this checkout and the folder of the workdirs under the same paths.
"""

import hashlib
import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rankq_jax.launch import commands, job, states
from rankq_jax.launch.local import status_of

if TYPE_CHECKING:
    from rankq_jax.launch.actors import Watch

ROOT = Path(__file__).resolve().parents[1]
PAUSE = 0.2  # seconds between two looks while nothing has been submitted


def connect(address: str | None, out: Path) -> None:
    """Joins the cluster at an address, or starts a local Ray if that is None.

    Raises:
      ValueError: if Ray is not installed or no cluster answers.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ImportError as error:
        raise ValueError("ray: is not installed; run pip install 'rankq-jax[ray]'.") from error
    # Names of actors hold within a namespace: the same folder finds its actors again.
    namespace = "rankq_jax-" + hashlib.sha256(str(out.resolve()).encode()).hexdigest()[:16]
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    host, _, port = (address or "").rpartition(":")
    if host and port.isdecimal():
        try:  # Ray itself would try for minutes
            socket.create_connection((host, int(port)), timeout=10).close()
        except (OSError, OverflowError) as error:
            raise ValueError(f"--address={address}: no Ray cluster answers ({error}).") from error
    common: dict[str, Any] = {
        "namespace": namespace,
        "runtime_env": {"env_vars": {"PYTHONPATH": path}},
        "log_to_driver": False,
        "logging_level": "ERROR",
    }
    own: dict[str, Any] = {"include_dashboard": False, "object_store_memory": 100 * 2**20}
    try:
        ray.init(address=address or "local", **common, **({} if address else own))
    except (ConnectionError, RuntimeError, ValueError) as error:
        cause = " ".join(str(error).split())
        raise ValueError(f"--address={address}: no Ray cluster answers ({cause}).") from error


def run(watch: "Watch", own: bool) -> None:
    """Watches jobs to their end, or until SIGTERM or SIGINT.

    Those of a Ray that is `own` are stopped with a checkpoint then, those of a cluster go on.
    """
    asked: list[int] = []
    before = {
        number: signal.signal(number, lambda number, frame: asked.append(number))
        for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        stopping = False
        while watch.step(submit=not asked):
            if asked and not own:
                return
            if asked and not stopping:
                watch.stop()
                stopping = True
            if not watch.actors:
                time.sleep(PAUSE)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ray() -> int:
    flags = commands.parser(__doc__)
    commands.add_starting(flags)
    flags.add_argument("--address", help="of a cluster, or auto; a local Ray is started if left out")
    flags.add_argument("--cpus-per-job", type=float, default=1.0, help="CPUs that a job occupies")
    flags.add_argument("--gpus-per-job", type=float, default=0.0, help="GPUs of a job, or a fraction of one")
    arguments = flags.parse_args()
    jobs, out = commands.jobs_of(arguments)
    for name, value in (("cpus", arguments.cpus_per_job), ("gpus", arguments.gpus_per_job)):
        if value < 0:
            raise ValueError(f"--{name}-per-job={value:g}: must not be negative.")
    commands.check(jobs, out)
    connect(arguments.address, out)
    from rankq_jax.launch.actors import Needs, Watch  # names ray, which may be missing

    needs = Needs(arguments.cpus_per_job, arguments.gpus_per_job)
    watch = Watch(jobs, out, needs, arguments.attempts)
    try:
        run(watch, own=arguments.address is None)
    finally:
        import ray

        ray.shutdown()
    states.show([states.of(job, out) for job in jobs])
    if watch.actors:
        rest = len(jobs) - len(watch.outcomes) - len(watch.actors)
        text = f"stopped watching: {len(watch.actors)} jobs go on in the cluster"
        print(f"{text}, {rest} wait to be submitted; the same command watches again", file=sys.stderr)
        return job.STOPPED
    return status_of(jobs, watch.outcomes)


def main() -> int:
    """Entry point: 0 all done, 1 one failed, 2 wrong input, 75 stopped and the same command goes on."""
    return commands.run(_ray)


if __name__ == "__main__":
    sys.exit(main())
