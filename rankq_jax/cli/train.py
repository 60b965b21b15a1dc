"""Trains an agent offline, then online.

rankq train --config=rankq:pointmaze-umaze --workdir=DIR
"""

import argparse
import sys
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rankq_jax import configs
from rankq_jax.cli.nearest import chosen
from rankq_jax.errors import Stopped
from rankq_jax.training import devices, processes, report
from rankq_jax.training.processes import Joining
from rankq_jax.training.stopping import Requests
from rankq_jax.training.summary import lines
from rankq_jax.training.train import finished, train, train_apart


def explain(words: Sequence[str]) -> None:
    """Prints every field of the configuration that words choose, or else of the usual one."""
    word, found = chosen(words)
    print(f"\nfields of {word}:\n{configs.describe(found)}")


def main(values: argparse.Namespace) -> None:
    """Trains as the values of the flags say, and `values.words`, those of the configuration."""
    warnings.showwarning = lambda message, *rest: print(f"warning: {message}", file=sys.stderr)
    begin = [f"--config.init_from={values.init_from}"] if values.init_from else []
    found = configs.read([*values.words, *begin])
    if values.show:
        print(configs.show(found))
        return
    config = found.config
    if not any(word.startswith("--config=") and word.partition(":")[2] for word in values.words):
        print(f"task: {config.task}, because none is named; --config=NAME:TASK names one", flush=True)
    devices.spare(config)
    asked = Joining(values.coordinator, values.processes, values.process, values.distributed)
    member = processes.start(config, bool(values.workdir), asked)
    devices.start()
    folder = values.workdir or Path(tempfile.mkdtemp(prefix="rankq_jax-"))
    page = folder / "report" / "index.html"
    hint = f"the same command with --workdir={folder} goes on"
    requests = Requests(hint).hear()
    if finished(config, folder, values.accept_changes):
        if not page.exists() and processes.first():
            report.write(page.parent, [folder])
        requests.ignore()
        print(f"{folder}: finished already; see {page}")
        return
    print(f"workdir: {folder}", flush=True)
    try:
        if member.processes == 1:
            summary: dict[str, Any] | None = train(config, folder, requests, values.accept_changes)
        else:
            summary = train_apart(config, folder, member, requests, values.accept_changes)
    except Stopped as request:  # the folder may be one that the user has not named
        raise Stopped(f"{request}; {hint}") from request
    requests.ignore()
    if summary is None:
        print("the seeds of this process are done; the process that ends last writes the summary")
        return
    print(*lines(summary), sep="\n")
    print(f"report: {page}")
