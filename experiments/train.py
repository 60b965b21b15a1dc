"""Trains an agent offline, then online.

python -m experiments.train --config=experiments/configs/rankq.py:pointmaze-umaze --workdir=DIR
"""

import contextlib
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import ml_collections
from absl import flags
from ml_collections import config_flags

from experiments import build, cli, datasets, devices, preferences, processes, report, success_weight, workdir
from experiments.attempts import Run, to_the_end
from experiments.stopping import Requests
from experiments.summary import join, summarise
from rankq_jax.analysis import results
from rankq_jax.errors import Stopped
from rankq_jax.timing import Stopwatch
from rankq_jax.writers import write_json

CONFIG = config_flags.DEFINE_config_file("config", None, "FILE:TASK[,smoke]", lock_config=True)
WORKDIR = flags.DEFINE_string("workdir", None, "Where results go; a new temporary folder if unset.")
ACCEPT = flags.DEFINE_bool(
    "accept_changes", False, "Go on in a --workdir though its configuration, code or dataset has changed."
)


def train(
    config: ml_collections.ConfigDict, folder: Path, requests: Requests | None = None, accept: bool = False
) -> dict[str, Any]:
    """Runs a configuration to its end in `folder`, from its newest checkpoint if there is one.

    Of processes that are joined the first one alone writes; all return the same.

    Args:
      config: the configuration.
      folder: of the run.
      requests: to stop; None hears none.
      accept: whether to go on though configuration, code or dataset are not those of the folder.

    Returns:
      The summary, also written to `summary.json`.

    Raises:
      InputError: if the configuration, the dataset or the folder is wrong, or the disk is full.
      NumericsError: if training diverges, and `config.restarts` are used up.
      Stopped: when it was requested and there is a checkpoint.
    """
    requests = requests or Requests()
    workdir.belongs(folder, config, accept)  # before anything is written
    with Stopwatch() as stopwatch, contextlib.ExitStack() as stack:
        built = preferences.with_labeller(config, build.experiment(config))
        if processes.first():
            stack.enter_context(workdir.held(folder))
        known, about = workdir.belongs(folder, config, accept), workdir.description(config)
        if known:
            workdir.compare(folder, about, accept)
        with processes.first_alone("the dataset is there"):
            name, dataset, described = datasets.described(config, built.task)
            if described and processes.first():
                print(f"data: {described}", flush=True)
            about["dataset"] = {"name": name, "fingerprint": workdir.fingerprint(dataset)}
            if processes.first() and (not known or workdir.compare(folder, about, accept)):
                workdir.claim(folder, about)
        settled = success_weight.settled(config, dataset)
        if settled is not config:
            built = preferences.with_labeller(settled, build.experiment(settled))
        if processes.first():
            for line in success_weight.announcement(settled, dataset):
                print(line, flush=True)
        run = Run(config, folder, built, build.world(config, built, dataset), stopwatch, requests)
        final = to_the_end(run)
        if processes.first():
            summary = summarise(folder, config, built.seeds) | {
                "dataset": name,
                "updates": final.updates,
                "env_steps": final.env_steps,
                "restarts": final.attempt,
                "wall_seconds": {**stopwatch.seconds, "total": stopwatch.total},
            }
            write_json(folder / "summary.json", summary)
            report.write(folder / "report", [folder])
        processes.wait("the summary is written")
    return results.read_json(folder / "summary.json")


def train_apart(
    config: ml_collections.ConfigDict,
    folder: Path,
    member: processes.Member,
    requests: Requests | None = None,
    accept: bool = False,
) -> dict[str, Any] | None:
    """Trains the member's seeds in a folder of their own below `folder`.

    Returns:
      The summary of all seeds if every member has finished, also written to `summary.json`; else None.

    Raises:
      InputError: as `train`.
      NumericsError: as `train`.
      Stopped: as `train`.
    """
    if not workdir.belongs(folder, config, accept) and member.process == 0:
        workdir.claim(folder, workdir.description(config))
    own, part = processes.seeds_of(config, member), processes.folder_of(folder, member.process)
    if not _finished(own, part, accept):
        train(own, part, requests, accept)
    parts = [processes.folder_of(folder, index) for index in range(member.processes)]
    if not all((path / "summary.json").exists() for path in parts):
        return None
    summary = join(folder, parts, config, member.process)
    report.write(folder / "report", parts)
    return summary


def _finished(config: ml_collections.ConfigDict, folder: Path, accept: bool) -> bool:
    return workdir.belongs(folder, config, accept) and (folder / "summary.json").exists()


def main(arguments: list[str]) -> None:
    """Entry point."""
    cli.no_more(arguments)
    warnings.showwarning = lambda message, *rest: print(f"warning: {message}", file=sys.stderr)
    config = CONFIG.value
    devices.spare(config)
    member = processes.start(config, shared=bool(WORKDIR.value))
    folder = Path(WORKDIR.value or tempfile.mkdtemp(prefix="rankq_jax-"))
    page = folder / "report" / "index.html"
    if _finished(config, folder, ACCEPT.value):
        if not page.exists() and processes.first():
            report.write(page.parent, [folder])
        print(f"{folder}: finished already; see {page}")
        return
    requests = Requests().hear()
    print(f"workdir: {folder}", flush=True)
    try:
        if member.processes == 1:
            summary: dict[str, Any] | None = train(config, folder, requests, ACCEPT.value)
        else:
            summary = train_apart(config, folder, member, requests, ACCEPT.value)
    except Stopped as request:  # the folder may be one that the user has not named
        raise Stopped(f"{request}; the same command with --workdir={folder} goes on") from request
    if summary is None:
        print("the seeds of this process are done; the process that ends last writes the summary")
        return
    for field in ("offline_success_rate", "final_success_rate", "final_episode_length"):
        print(f"{field}: {summary[field]}")
    print(f"report: {page}")


if __name__ == "__main__":
    flags.mark_flag_as_required("config")
    cli.run(main)
