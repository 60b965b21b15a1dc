"""Trains an agent offline, then online.

python -m experiments.train --config=experiments/configs/rankq.py:pointmaze-umaze --workdir=DIR
"""

import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

from absl import flags

from rankq_jax import configs
from rankq_jax.cli import command
from rankq_jax.errors import Stopped
from rankq_jax.training import devices, processes, report
from rankq_jax.training.processes import Joining
from rankq_jax.training.stopping import Requests
from rankq_jax.training.summary import lines
from rankq_jax.training.train import finished, train, train_apart

CONFIG = flags.DEFINE_multi_string("config", [], "NAME:TASK[,WORD...]; --config.FIELD=VALUE changes it.")
WORKDIR = flags.DEFINE_string("workdir", None, "Where results go; a new temporary folder if unset.")
ACCEPT = flags.DEFINE_bool(
    "accept_changes", False, "Go on in a --workdir though its configuration, code or dataset has changed."
)
COORDINATOR = flags.DEFINE_string("coordinator", None, "HOST:PORT of process 0, which the others join.")
PROCESSES = flags.DEFINE_integer("processes", None, "How many processes train together.")
PROCESS = flags.DEFINE_integer("process", None, "Which of them this is, from 0.")
DISTRIBUTED = flags.DEFINE_bool("distributed", False, "Find the processes by what started them (Slurm, TPU).")


def config_words() -> list[str]:
    """The words of the command line that are of the configuration."""
    return [f"--config{value}" if value.startswith(".") else f"--config={value}" for value in CONFIG.value]


def main(arguments: list[str]) -> None:
    """Entry point."""
    command.no_more(arguments)
    warnings.showwarning = lambda message, *rest: print(f"warning: {message}", file=sys.stderr)
    config = configs.read(config_words()).config
    devices.spare(config)
    asked = Joining(COORDINATOR.value, PROCESSES.value, PROCESS.value, DISTRIBUTED.value)
    member = processes.start(config, bool(WORKDIR.value), asked)
    devices.start()
    folder = Path(WORKDIR.value or tempfile.mkdtemp(prefix="rankq_jax-"))
    page = folder / "report" / "index.html"
    if finished(config, folder, ACCEPT.value):
        if not page.exists() and processes.first():
            report.write(page.parent, [folder])
        print(f"{folder}: finished already; see {page}")
        return
    hint = f"the same command with --workdir={folder} goes on"
    requests = Requests(hint).hear()
    print(f"workdir: {folder}", flush=True)
    try:
        if member.processes == 1:
            summary: dict[str, Any] | None = train(config, folder, requests, ACCEPT.value)
        else:
            summary = train_apart(config, folder, member, requests, ACCEPT.value)
    except Stopped as request:  # the folder may be one that the user has not named
        raise Stopped(f"{request}; {hint}") from request
    if summary is None:
        print("the seeds of this process are done; the process that ends last writes the summary")
        return
    print(*lines(summary), sep="\n")
    print(f"report: {page}")


def start() -> None:
    """Runs the command on the arguments of the process."""
    command.run(main)


if __name__ == "__main__":
    start()
