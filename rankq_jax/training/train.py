"""Trains a configuration in a folder, from its newest checkpoint, to a summary and a page."""

import contextlib
import sys
from pathlib import Path
from typing import Any

import jax

from rankq_jax import loop
from rankq_jax.analysis import results
from rankq_jax.configs import RunConfig
from rankq_jax.errors import InputError
from rankq_jax.timing import Stopwatch
from rankq_jax.training import (
    backbone,
    build,
    continuing,
    datasets,
    devices,
    initialization,
    memory,
    preferences,
    processes,
    report,
    reward_scaling,
    success_weight,
    workdir,
)
from rankq_jax.training.agents import refuse_data
from rankq_jax.training.resume import TrainingRun, train_with_restarts
from rankq_jax.training.stopping import Requests
from rankq_jax.training.summary import join, summarise
from rankq_jax.writers import write_json


def train(
    config: RunConfig, folder: Path, requests: Requests | None = None, accept: bool = False
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
      Stopped: when it was requested and there is a checkpoint, or only the report is missing.
    """
    requests = requests or Requests()
    _belongs(config, folder, accept)  # before anything is written
    with Stopwatch() as stopwatch, contextlib.ExitStack() as stack:
        built = build.experiment(config)
        memory.check(config, built)
        if config.init_from and not any((folder / "checkpoints").glob("*")):  # else it goes on without them
            initialization.refuse_unfit(config, built)
        built = preferences.with_labeler(config, built)
        if processes.first():
            stack.enter_context(workdir.held(folder))
        known, about = _belongs(config, folder, accept), workdir.description(config)
        if known:
            workdir.compare(folder, about, accept, continuing.unfit(folder))
        elsewhere = processes.first() and _said_of_devices(config, folder, about)
        with processes.first_alone("the dataset is there"):
            name, dataset, described = datasets.load(config, built.recorded)
            refuse_data(built.networks, dataset)
            if described and processes.first():
                print(f"data: {described}", flush=True)
            about["dataset"] = {"name": name, "fingerprint": workdir.fingerprint(dataset)}
            if processes.first() and (not known or workdir.compare(folder, about, accept) or elsewhere):
                workdir.claim(folder, about)
        scaled, dataset = reward_scaling.settled(config, dataset, described)
        settled = success_weight.settled(config, dataset)
        if settled is not config:
            built = preferences.with_labeler(settled, build.experiment(settled))
        if processes.first():
            lines = success_weight.announcement(settled, dataset) + reward_scaling.announcement(scaled)
            print("".join(f"{line}\n" for line in lines), end="", flush=True)
        built, dataset = backbone.put_before(settled, folder, built, dataset)
        setup = build.world(scaled, built, dataset)
        stack.callback(setup.close)
        final = train_with_restarts(TrainingRun(config, folder, built, setup, stopwatch, requests))
        _check_end(config, folder, final)
        if processes.first():
            summary = summarise(folder, config, built.seeds) | {
                "dataset": name,
                "updates": final.updates,
                "env_steps": final.env_steps,
                "restarts": final.attempt,
                "devices": about["devices"],
                "wall_seconds": {"update": 0.0, **stopwatch.seconds, "total": stopwatch.total},
            }
            write_json(folder / "summary.json", summary)
            if not processes.joined():  # which leave one another at their end alone
                requests.release(f"{folder} is trained, its report is missing")
            report.write(folder / "report", [folder])
        processes.wait("the summary is written")
    return results.read_json(folder / "summary.json")


def train_apart(
    config: RunConfig,
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
    own, part = processes.seeds_of(config, member), processes.folder_of(folder, member.process)
    known = _belongs(config, folder, accept, part)
    if member.process == 0 and not (known and _same(config, folder)):
        workdir.claim(folder, workdir.description(config))
    if not finished(own, part, accept):
        train(own, part, requests, accept)
    parts = [processes.folder_of(folder, index) for index in range(member.processes)]
    each = [processes.seeds_of(config, member._replace(process=index)) for index in range(member.processes)]
    # One that has not begun to go on with a changed configuration has a summary of the one before.
    if not all(map(_done, each, parts)):
        return None
    summary = join(folder, parts, config)
    report.write(folder / "report", parts)
    return summary


def _belongs(config: RunConfig, folder: Path, accept: bool, within: Path | None = None) -> bool:
    """As `workdir.belongs`; refuses what the run could not go on with, whether accepted or not."""
    known = (folder / "config.json").exists()
    refused = continuing.refused(folder, config, within) if known else {}
    return workdir.belongs(folder, config, accept, refused)


def _same(config: RunConfig, folder: Path) -> bool:
    return not workdir.compare(folder, {"config": config.to_dict()}, accept=True)


def _done(config: RunConfig, folder: Path) -> bool:
    """Whether the folder has the summary of what the configuration asks for."""
    path = folder / "summary.json"
    if not (path.exists() and _same(config, folder)):
        return False
    summary = results.read_json(path)
    return _asked(config, summary.get("updates"), summary.get("env_steps"))


def finished(config: RunConfig, folder: Path, accept: bool) -> bool:
    """Whether the folder has all that the configuration asks for.

    Raises:
      InputError: if the folder is that of another run.
    """
    return _belongs(config, folder, accept) and _done(config, folder)


def _said_of_devices(config: RunConfig, folder: Path, about: dict[str, Any]) -> bool:
    """Says on what a run trains, and whether that is something else than before."""
    mine = devices.layout(config)
    about["devices"] = mine
    print(devices.line(mine), flush=True)
    if warning := devices.forgotten(mine, jax.config.jax_platforms):  # type: ignore[attr-defined]
        print(f"warning: {warning}", file=sys.stderr)
    known = (folder / "config.json").exists()
    before = devices.EARLIER | results.about(folder).get("devices", mine) if known else mine
    if before | {"evaluation": mine["evaluation"]} != mine:  # whose order changes no number
        print(
            f"warning: {folder}: was {devices.line(before)}; other devices agree with those up to rounding.",
            file=sys.stderr,
        )
    return bool(before != mine)


def _asked(config: RunConfig, updates: int | None, env_steps: int | None) -> bool:
    """Whether a run of so many updates and environment steps is what the configuration asks for."""
    online = config.online.env_steps
    whole = env_steps == config.collect.env_steps + online
    return whole and (online > 0 or updates == config.offline.updates)


def _check_end(config: RunConfig, folder: Path, final: loop.Progress) -> None:
    """Refuses to sum up a run that has not done what its configuration asks for."""
    if not _asked(config, final.updates, final.env_steps):
        raise InputError(
            f"{folder}: has ended after {final.updates} updates and {final.env_steps} environment steps, its "
            "configuration asks for others; choose another --workdir."
        )
