"""A Slurm cluster of this machine alone, all of it in a folder: for tests, and to try launchers on.

python -m tests.launch.slurm_cluster          starts one, says how to use it, and stops it on Ctrl-C
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scancel", "scontrol")
PLACES = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin", "/sbin"])
PATIENCE = 30.0  # seconds until a daemon answers

# Nothing here needs root, cgroups, accounting or a name service. Requeued jobs wait for `cred_expire` seconds
# (120 by default, 5 at least), killed ones `KillWait` seconds before SIGKILL. The partition "urgent" takes
# the processors of the other away, as a busy cluster does.
CONFIGURATION = """\
ClusterName=loopback
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
MpiDefault=none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,sched_min_interval=100000,bf_interval=1,batch_sched_delay=0
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
JobRequeue=1
KillWait=20
MinJobAge=60
ReturnToService=2
SlurmdTimeout=60
SlurmdParameters=config_overrides
NodeName={host} NodeAddr=127.0.0.1 CPUs={processors} RealMemory={memory} State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP PriorityTier=1
PartitionName=urgent Nodes={host} MaxTime=INFINITE State=UP PriorityTier=2 PreemptMode=OFF
"""


class Unavailable(RuntimeError):
    """No cluster can be started here; one line says why."""


class Cluster(NamedTuple):
    """A running cluster.

    Attributes:
      folder: configuration, keys, sockets, state and logs.
      environment: variables that every Slurm command needs, PATH among them.
    """

    folder: Path
    environment: Mapping[str, str]

    def call(self, *command: str) -> str:
        """Runs a Slurm command.

        Returns:
          What it printed, stripped.

        Raises:
          RuntimeError: if it fails.
        """
        done = subprocess.run(command, env=dict(self.environment), capture_output=True, text=True, timeout=60)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout.strip()


def missing() -> str:
    """Why no cluster can be started here, in one line; empty if one can."""
    absent = [name for name in PROGRAMS if shutil.which(name, path=PLACES) is None]
    if absent:
        return f"Slurm is not installed ({', '.join(absent)} missing); apt-get install slurm-wlm munge."
    return ""


@contextlib.contextmanager
def running(processors: int | None = None) -> Iterator[Cluster]:
    """A cluster for as long as the context lasts; then it, its jobs and its folder are gone.

    Args:
      processors: of the one node, more than there are if need be; those of the machine if None.

    Raises:
      Unavailable: if it cannot be started; one line.
    """
    if missing():
        raise Unavailable(missing())
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))
    folder.chmod(0o755)  # munge refuses a socket that not everyone can reach
    environment = {**os.environ, "PATH": PLACES, "SLURM_CONF": str(folder / "slurm.conf")}
    cluster = Cluster(folder, environment)
    daemons: list[subprocess.Popen[bytes]] = []
    try:
        _write_configuration(folder, processors or os.cpu_count() or 1)
        for command in _daemons(folder):
            with (folder / f"{command[0]}.out").open("wb") as output:
                daemons.append(_start(command, environment, output.fileno()))
            if command[0] == "munged":
                _wait_for(daemons, (folder / "munge.socket").exists, folder)
        _wait_for(daemons, lambda: _idle(cluster), folder)
        yield cluster
    finally:
        _stop(cluster, daemons)
        shutil.rmtree(folder, ignore_errors=True)


def _write_configuration(folder: Path, processors: int) -> None:
    (folder / "state").mkdir()
    (folder / "spool").mkdir()
    key = folder / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o400)
    with socket.socket() as first, socket.socket() as second:
        first.bind(("127.0.0.1", 0))
        second.bind(("127.0.0.1", 0))
        ports = first.getsockname()[1], second.getsockname()[1]
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**20
    text = CONFIGURATION.format(
        folder=folder,
        host=socket.gethostname().split(".")[0],
        user=os.getuid(),
        controller_port=ports[0],
        node_port=ports[1],
        processors=processors,
        memory=memory // 2,
    )
    (folder / "slurm.conf").write_text(text)


def _daemons(folder: Path) -> list[list[str]]:
    munge = {
        "key-file": folder / "munge.key",
        "socket": folder / "munge.socket",
        "pid-file": folder / "munge.pid",
        "log-file": folder / "munge.log",
        "seed-file": folder / "munge.seed",
    }
    return [
        ["munged", "--foreground", *(f"--{name}={path}" for name, path in munge.items())],
        ["slurmctld", "-D", "-c"],
        ["slurmd", "-D", "-c", "-N", socket.gethostname().split(".")[0]],
    ]


def _start(command: Sequence[str], environment: Mapping[str, str], output: int) -> subprocess.Popen[bytes]:
    # Whoever started the cluster may be killed without a chance to stop it.
    guard = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
    program = shutil.which(command[0], path=PLACES) or command[0]
    return subprocess.Popen(
        [*guard, program, *command[1:]],
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def _wait_for(daemons: Sequence[subprocess.Popen[bytes]], ready, folder: Path) -> None:
    end = time.monotonic() + PATIENCE
    while not ready():
        ended = [process for process in daemons if process.poll() is not None]
        if ended or time.monotonic() > end:
            lines = [line for log in sorted(folder.glob("*.out")) for line in log.read_text().splitlines()]
            wrong = [line for line in lines if "error" in line.lower()] or lines or ["no output"]
            raise Unavailable(f"Slurm's daemons do not start here: {wrong[-1].strip()}")
        time.sleep(0.05)


def _idle(cluster: Cluster) -> bool:
    try:
        return "idle" in cluster.call("sinfo", "--noheader", "--format=%T")
    except RuntimeError:
        return False  # the controller does not answer yet


def _stop(cluster: Cluster, daemons: Sequence[subprocess.Popen[bytes]]) -> None:
    for process in reversed(daemons):
        process.terminate()
    for process in daemons:
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    # What the cluster started knows it by its environment; jobs outlive slurmd by design.
    mark = f"SLURM_CONF={cluster.folder}/slurm.conf".encode()
    end = time.monotonic() + 10
    while (left := processes_with(mark)) and time.monotonic() < end:
        for process in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        time.sleep(0.05)


def processes_with(mark: bytes) -> list[int]:
    """Other processes that were started with such a variable, `NAME=VALUE`."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if mark in path.read_bytes().split(b"\0") and int(path.parent.name) != os.getpid():
                found.append(int(path.parent.name))
    return found


def main() -> int:
    """Entry point: 0 when it was stopped, 2 if no cluster can be started here."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with running() as cluster, contextlib.suppress(KeyboardInterrupt):
            print(f"export SLURM_CONF={cluster.environment['SLURM_CONF']}", flush=True)
            print("# in another shell: sinfo, squeue, python -m launch.slurm …; Ctrl-C stops the cluster")
            signal.pause()
    except Unavailable as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
