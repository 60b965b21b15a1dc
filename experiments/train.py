"""Trains an agent offline, then online.

python -m experiments.train --config=experiments/configs/rankq.py:pointmaze-umaze --workdir=DIR
"""

import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import ml_collections
from absl import flags
from ml_collections import config_flags

from experiments import build, cli, datasets, devices, preferences, processes, records, report, workdir
from experiments.summary import join, summarise
from rankq_jax import loop
from rankq_jax.analysis import results
from rankq_jax.checkpoints import Checkpoints
from rankq_jax.timing import Stopwatch
from rankq_jax.writers import write_json

CONFIG = config_flags.DEFINE_config_file("config", None, "FILE:TASK[,smoke]", lock_config=True)
WORKDIR = flags.DEFINE_string("workdir", None, "Where results go; a new temporary folder if unset.")


def train(config: ml_collections.ConfigDict, folder: Path) -> dict[str, Any]:
    """Runs a configuration to its end in `folder`, from its newest checkpoint if there is one.

    Of processes that are joined the first one alone writes; all return the same.

    Returns:
      The summary, also written to `summary.json`.

    Raises:
      InputError: if the configuration, the dataset or the folder is wrong.
      NumericsError: if training diverges.
    """
    with Stopwatch() as stopwatch:
        built = preferences.with_labeller(config, build.experiment(config))
        known = workdir.belongs(folder, config)
        with processes.first_alone("the dataset is there"):
            name, dataset = datasets.load(config, built.task)
            if processes.first() and not known:
                workdir.claim(folder, config)
        world = build.world(config, built, dataset)
        state = loop.initial(built.plan, world, built.layout)
        checkpoints = Checkpoints(folder / "checkpoints", config.keep_checkpoints)
        notes = None
        if known and checkpoints.latest is not None:
            parts, notes = checkpoints.restore(loop.portable(state, built.layout)._asdict())
            state = loop.restored(parts, built.layout)
        updates = config.offline.updates + int(config.online.env_steps * config.online.updates_per_step)
        if not processes.first():
            loop.run(built.plan, world, built.layout, state, records.silent(), stopwatch)
            processes.wait("the summary is written")
            return results.read_json(folder / "summary.json")
        written = records.Records(folder, built.seeds, checkpoints, stopwatch, notes, updates)
        try:
            final = loop.run(built.plan, world, built.layout, state, written.listener(), stopwatch)
        finally:
            written.close()
        summary = summarise(folder, config, built.seeds) | {
            "dataset": name,
            "updates": int(final.progress.updates),
            "env_steps": int(final.progress.env_steps),
            "wall_seconds": {**stopwatch.seconds, "total": stopwatch.total},
        }
    write_json(folder / "summary.json", summary)
    report.write(folder / "report", [folder])
    processes.wait("the summary is written")
    return summary


def train_apart(
    config: ml_collections.ConfigDict, folder: Path, member: processes.Member
) -> dict[str, Any] | None:
    """Trains the member's seeds in a folder of their own below `folder`.

    Returns:
      The summary of all seeds if every member has finished, also written to `summary.json`; else None.

    Raises:
      InputError: as `train`.
      NumericsError: as `train`.
    """
    if not workdir.belongs(folder, config) and member.process == 0:
        workdir.claim(folder, config)
    own, part = processes.seeds_of(config, member), processes.folder_of(folder, member.process)
    if not _finished(own, part):
        train(own, part)
    parts = [processes.folder_of(folder, index) for index in range(member.processes)]
    if not all((path / "summary.json").exists() for path in parts):
        return None
    summary = join(folder, parts, config, member.process)
    report.write(folder / "report", parts)
    return summary


def _finished(config: ml_collections.ConfigDict, folder: Path) -> bool:
    return workdir.belongs(folder, config) and (folder / "summary.json").exists()


def main(arguments: list[str]) -> None:
    """Entry point."""
    cli.no_more(arguments)
    warnings.showwarning = lambda message, *rest: print(f"warning: {message}", file=sys.stderr)
    config = CONFIG.value
    devices.spare(config)
    member = processes.start(config, shared=bool(WORKDIR.value))
    folder = Path(WORKDIR.value or tempfile.mkdtemp(prefix="rankq_jax-"))
    page = folder / "report" / "index.html"
    if _finished(config, folder):
        if not page.exists() and processes.first():
            report.write(page.parent, [folder])
        print(f"{folder}: finished already; see {page}")
        return
    print(f"workdir: {folder}", flush=True)
    summary = train(config, folder) if member.processes == 1 else train_apart(config, folder, member)
    if summary is None:
        print("the seeds of this process are done; the process that ends last writes the summary")
        return
    for field in ("offline_success_rate", "final_success_rate", "final_episode_length"):
        print(f"{field}: {summary[field]}")
    print(f"report: {page}")


if __name__ == "__main__":
    flags.mark_flag_as_required("config")
    cli.run(main)
