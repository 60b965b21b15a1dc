"""A stand-in for the training command, and the smoke sweep through a launcher."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from unittest import mock

from rankq_jax.cli import command as cli
from rankq_jax.cli import main
from rankq_jax.training import stopping

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "launching.md"
PACKAGES = ("rankq_jax", "experiments", "launch")

# Keeps the contract of `rankq train` with its launchers, without jax: rounds instead of training, a
# checkpoint after each, a lock, exit statuses. Flags say how it misbehaves.
FAKE = """
import argparse, fcntl, json, os, pathlib, signal, sys, time

assert sys.argv.pop(1) == "train"

flags = argparse.ArgumentParser()
flags.add_argument("--config", default="")
flags.add_argument("--config.seed", dest="seed", type=int, default=0)
flags.add_argument("--config.seeds", dest="seeds", type=int, default=1)
flags.add_argument("--workdir", type=pathlib.Path)
flags.add_argument("--rounds", type=int, default=3)
flags.add_argument("--seconds", type=float, default=0.0)  # of each round
flags.add_argument("--crashes", type=int, default=0)  # of the first starts
flags.add_argument("--kills", type=int, default=0)  # as many, by SIGKILL
flags.add_argument("--wrong", action="store_true")
flags.add_argument("--stops", type=int, default=0)  # of the first starts, without being asked
flags.add_argument("--expert", type=pathlib.Path)
flags.add_argument("--version", default="1")  # of its code
flags.add_argument("--accept-changes", action="store_true")
given = flags.parse_args()
folder = given.workdir
foreign = [p.name for p in folder.iterdir() if not p.name.startswith(("job.", ".unfinished-"))]
assert "config.json" in foreign or not foreign or foreign == ["lock"], foreign
lock = (folder / "lock").open("a")
try:
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
except OSError:
    sys.exit("error: lock: second process")
asked = []
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2):
    signal.signal(number, lambda number, frame: asked.append(number))
online = {"env_steps": 100, "updates_per_step": 0.1}
config = {"offline": {"updates": 10 * given.rounds - 10}, "online": online}
(folder / "config.json").write_text(json.dumps({"config": config}))
starts = len((folder / "starts").read_text().splitlines()) if (folder / "starts").exists() else 0
with (folder / "starts").open("a") as file:
    cores = ",".join(map(str, sorted(os.sched_getaffinity(0))))
    print(os.environ.get("CUDA_VISIBLE_DEVICES", "-"), cores, os.getpid(), file=file)
if given.wrong:
    print("error: --rounds: makes no sense; take another.", file=sys.stderr)
    sys.exit(2)
version = folder / "version"
if version.exists() and version.read_text() != given.version and not given.accept_changes:
    print("error: config.json: source is another; or go on with --accept-changes.", file=sys.stderr)
    sys.exit(2)
version.write_text(given.version)
if given.expert is not None and not (given.expert / "summary.json").exists():
    print(f"error: {given.expert}: is not finished.", file=sys.stderr)
    sys.exit(2)
checkpoints = folder / "checkpoints"
checkpoints.mkdir(exist_ok=True)
newest = max((int(path.name) for path in checkpoints.iterdir() if path.name.isdigit()), default=0)
done, total = json.loads((checkpoints / str(newest) / "state").read_text()) if newest else (0, 0)
begun = time.monotonic()
while done < given.rounds:
    if starts < given.stops:
        sys.exit(75)
    done += 1
    total = total * 3 + done + given.seed  # a round lost or made twice shows
    time.sleep(given.seconds)
    with (folder / "metrics.jsonl").open("a") as file:
        for seed in range(given.seed, given.seed + given.seeds):
            record = {"phase": "offline", "updates": 10 * done, "env_steps": 0, "seed": seed}
            record["seconds"] = {"total": 2.0 * done}
            print(json.dumps(record), file=file)
    (checkpoints / f"{done}.tmp").mkdir(exist_ok=True)
    (checkpoints / f"{done}.tmp" / "state").write_text(json.dumps([done, total]))
    os.replace(checkpoints / f"{done}.tmp", checkpoints / str(done))
    if asked and done < given.rounds:
        print(f"stopped by {asked[0]}", flush=True)
        sys.exit(75)
    if starts < given.kills:
        os.kill(os.getpid(), signal.SIGKILL)
    if starts < given.crashes:
        raise RuntimeError(f"round {done} broke")
seeds = list(range(given.seed, given.seed + given.seeds))
summary = {"seeds": seeds, "value": total, "final_success_rate": [0.5 for _ in seeds], "wall_seconds": {}}
(folder / "summary.tmp").write_text(json.dumps(summary))
os.replace(folder / "summary.tmp", folder / "summary.json")
(folder / "report").mkdir(exist_ok=True)
(folder / "report" / "index.html").write_text("<html>")
"""


# Finds nothing wrong with any job.
RESOLVE = """
import json, sys

json.dump([{"sections": [], "read": []} for _ in json.load(sys.stdin)["jobs"]], sys.stdout)
"""


EXTENDED = """
from pkgutil import extend_path

__path__ = extend_path(__path__, __name__)
"""


def fake_checkout(folder, exist_ok=False):
    """Makes `folder` a place from which `python -m rankq_jax.cli train` runs the stand-in.

    Python looks there first; every other module of the package is the one of this checkout.
    """
    command = folder / "rankq_jax" / "cli"
    command.mkdir(parents=True, exist_ok=exist_ok)
    for package in (command.parent, command):
        (package / "__init__.py").write_text(EXTENDED)
    (command / "__main__.py").write_text(FAKE)
    (command / "resolve.py").write_text(RESOLVE)
    return folder


def checkout(folder):
    """Copies the packages, so that `runs/` of the commands that start there lies below `folder`."""
    for name in PACKAGES:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def environment(folder):
    """Variables of a command that starts in such a place: its own packages, or else this checkout's."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])}


def launch(module, *arguments, cwd, timeout=120):
    """Runs a launcher to its end."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    variables = environment(cwd)
    return subprocess.run(command, cwd=cwd, env=variables, capture_output=True, text=True, timeout=timeout)


def block(heading, *, cwd, timeout=600):
    """Runs the one block of commands below a heading of docs/launching.md, as it stands."""
    (text,) = re.findall(rf"^## {heading}$(.*?)(?=^## |\Z)", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)
    (commands,) = re.findall(r"^```bash\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    variables = environment(cwd)
    variables["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), variables["PATH"]])
    return subprocess.run(
        ["bash", "-e", "-c", commands],
        cwd=cwd,
        env=variables,
        capture_output=True,
        text=True,
        timeout=timeout,
    )


def status(command, *words):
    """The exit status of `rankq sweep COMMAND WORDS` in this process, which prints as the command does.

    Args:
      command: its name, or its module.
      *words: its flags.
    """
    name = command if isinstance(command, str) else command.__name__.rpartition(".")[2]

    def end(message, status):
        print(message, file=sys.stderr)
        raise SystemExit(status)

    with mock.patch.object(stopping, "end", end):
        try:
            return cli.run(lambda given: main.execute(["sweep", name, *given]), list(map(str, words)))
        except SystemExit as ended:
            return ended.code


def begin(module, *arguments, cwd):
    """Starts a launcher."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=cwd, env=environment(cwd), stdout=pipe, stderr=pipe, text=True)


def until(true, seconds=30.0):
    """Waits until a condition holds; fails if it does not in time."""
    end = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
    return found


def starts(folder):
    """One `(visible GPUs, cores, process)` for each start of the stand-in."""
    path = folder / "starts"
    return [tuple(line.split()) for line in path.read_text().splitlines()] if path.exists() else []


def values(out):
    """`{job: summary}` below a folder, without the seconds that it took."""
    found = {}
    for path in sorted(Path(out).glob("*/summary.json")):
        summary = json.loads(path.read_text())
        del summary["wall_seconds"]
        found[path.parent.name] = summary
    return found


def records(out):
    """`{job: records of metrics.jsonl}` below a folder, without seconds: equal bit for bit, or not at all."""
    found = {}
    for path in sorted(Path(out).glob("*/metrics.jsonl")):
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        found[path.parent.name] = [{k: v for k, v in line.items() if k != "seconds"} for line in lines]
    return found


def smoke(module, *arguments, out):
    """Runs the smoke sweep through a launcher, `python -m MODULE launch/sweeps/smoke.py --out=OUT ...`.

    Returns:
      `{job: summary}` without the seconds.
    """
    done = launch(module, "launch/sweeps/smoke.py", f"--out={out}", *arguments, cwd=ROOT, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return values(out)
