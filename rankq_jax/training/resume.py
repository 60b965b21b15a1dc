"""A run from its newest checkpoint to its end, and again from there after numbers went bad."""

import contextlib
import functools
import sys
from pathlib import Path
from typing import Any, NamedTuple

from rankq_jax import loop
from rankq_jax.checkpoints import Checkpoints, RestoredCheckpoint
from rankq_jax.configs import RunConfig
from rankq_jax.errors import InputError, NumericsError, Stopped
from rankq_jax.timing import Stopwatch
from rankq_jax.training import devices, processes
from rankq_jax.training.beside import Beside
from rankq_jax.training.build import Experiment
from rankq_jax.training.initialization import initialize
from rankq_jax.training.records import Draft, Records
from rankq_jax.training.source import read_source
from rankq_jax.training.stopping import Requests


class TrainingRun(NamedTuple):
    """What all attempts at a run have in common.

    Attributes:
      config: of the run.
      folder: its `--workdir`, claimed and held by this process.
      built: what the configuration describes.
      setup: environments and data.
      stopwatch: that runs.
      requests: to stop.
    """

    config: RunConfig
    folder: Path
    built: Experiment
    setup: loop.Setup
    stopwatch: Stopwatch
    requests: Requests


def train_with_restarts(run: TrainingRun) -> loop.Progress:
    """Trains, again after bad numbers, as often as `config.restarts` says.

    A restart begins at the last checkpoint that the plan has. Checkpoints that were taken by the clock or for
    a request are passed over. The number of the attempt is part of the state, and its random numbers depend
    on it. So when a run was interrupted, and how often, makes no difference to it.

    Returns:
      Where the run has ended.

    Raises:
      InputError: if the folder is damaged, or the disk is full.
      NumericsError: if training diverges, and no restart is left; names the last checkpoint.
      Stopped: when it was requested and there is a checkpoint.
    """
    attempt, seconds_known, again = 0, False, False
    while True:
        keep = (run.config.keep_checkpoints, run.config.keep_best_checkpoints)
        checkpoints = Checkpoints(run.folder / "checkpoints", *keep)
        state, found = initial_or_restored(run, checkpoints, again)
        if found and not seconds_known:
            run.stopwatch.go_on(found.notes["seconds"])
        attempt, seconds_known = max(attempt, state.progress.attempt), True
        state = state._replace(progress=state.progress._replace(attempt=attempt))
        try:
            return train_once(run, state, found, checkpoints)
        except NumericsError as error:
            message = f"{error} {_healthy(run.folder)}"
            if attempt >= run.config.restarts:
                raise NumericsError(message) from error
            attempt, again = attempt + 1, True
            print(f"warning: {message} Restart {attempt} of {run.config.restarts}.", file=sys.stderr)
        except Stopped as request:
            processes.wait("the checkpoint is written")
            raise Stopped(str(request) or f"{run.folder} has a checkpoint") from request


def initial_or_restored(
    run: TrainingRun, checkpoints: Checkpoints, again: bool
) -> tuple[loop.RunState, RestoredCheckpoint | None]:
    """The state to go on from, or to start again from, and the checkpoint that it comes from.

    Raises:
      InputError: if no checkpoint can be read, or its rows are missing.
    """
    layout = run.built.layout
    state = loop.initial(run.built.plan, run.setup, layout)
    try:
        found = checkpoints.restore(functools.partial(_like, run, state), run.setup.dataset, anchors=again)
    except FileNotFoundError:
        processes.wait("the checkpoint is read")
        if again:
            checkpoints.go_on_from(0)
        elif processes.first() and _begun_before(run.folder):
            print(
                f"warning: {run.folder / 'checkpoints'}: holds no checkpoint; the run starts anew, and "
                "what it wrote before is written again.",
                file=sys.stderr,
            )
        return _first(run, state), None
    for line in found.damaged:
        print(f"warning: {line}; going on from {checkpoints.path(found.number)}", file=sys.stderr)
    processes.wait("the checkpoint is read")
    checkpoints.go_on_from(found.number)
    if not run.built.task.exact and processes.first():
        print(
            f"{checkpoints.path(found.number)}: the environments of {run.built.task.name!r} cannot be saved; "
            "their running episodes begin again, everything else goes on.",
            flush=True,
        )
    try:
        return loop.restored(state, found.parts, found.rows, run.setup, layout), found
    except ValueError as error:
        raise InputError(f"{checkpoints.path(found.number)}: {error}; delete that folder.") from error


def _first(run: TrainingRun, state: loop.RunState) -> loop.RunState:
    """The state before the first iteration; see `config.init_from`."""
    if not run.config.init_from:
        return state
    with processes.first_alone("the checkpoint of the other run is recorded"):
        other = read_source(run.config, run.folder)
    state, told = initialize(run.config, run.built, state, other)
    if processes.first():
        print(told, flush=True)
    return state


def _like(run: TrainingRun, state: loop.RunState, notes: dict[str, Any]) -> dict[str, Any]:
    """The parts of a checkpoint with these notes, in shape: the phases need not have the same variables."""
    layout = run.built.layout
    return loop.portable(loop.at_phase(run.built.plan, run.setup, layout, state, notes["phase"]), layout)


def _begun_before(folder: Path) -> bool:
    records = folder / "metrics.jsonl"
    return records.exists() and records.stat().st_size > 0


def train_once(
    run: TrainingRun, state: loop.RunState, found: RestoredCheckpoint | None, checkpoints: Checkpoints
) -> loop.Progress:
    """Follows the events of a run from `state` to its end.

    Returns:
      Where the run has ended.

    Raises:
      NumericsError: if training diverges.
      Stopped: when it was requested and there is a checkpoint.
    """
    plan, setup, layout = run.built.plan, run.setup, run.built.layout
    progress = state.progress
    if processes.joined():
        run.requests.note()  # no process leaves the others
    with contextlib.ExitStack() as stack:
        records = beside = None
        if processes.first():  # the others write nothing
            records = Records(run.folder, run.config, checkpoints, run.stopwatch, found)
            stack.callback(records.close)
        if records is not None and devices.evaluates_beside(run.config):
            beside = Beside(records, run.stopwatch, run.requests, setup.seeds)
            stack.callback(beside.close)
        handed = beside is not None
        events = stack.enter_context(
            contextlib.closing(loop.events(plan, setup, layout, state, run.stopwatch, hand_over=handed))
        )
        try:
            for event in events:
                run.requests.note()
                _follow(run, event, records, beside)
                progress = event.progress
        except NumericsError:
            if beside is not None:
                beside.finish()  # a restart may begin at its checkpoint
            raise
        if beside is not None:
            beside.finish()
    return progress


def _follow(run: TrainingRun, event: loop.Event, records: Records | None, beside: Beside | None) -> None:
    """Records an event, and saves the run where that is planned, due or asked for.

    Raises:
      Stopped: if it was asked for and there is a checkpoint.
    """
    if records is not None:
        records.write(event)
    planned = isinstance(event, loop.IterationEnd) and event.checkpoint
    stop = may_stop(event) and processes.agreed(run.requests())
    if beside is not None:
        if isinstance(event, loop.EvaluationDue):
            beside.finish()
            assert records is not None  # who writes nothing hands nothing over
            records.settle()
            parts = loop.portable(event.state, run.built.layout)
            beside.begin(event, records.draft(parts, loop.replay_snapshot(event.state, run.built.layout)))
            return
        if planned:
            beside.finish()
        beside.look()
        if beside.busy:
            return beside.give_up() if stop else None
    wanted = records is not None and may_save(event) and records.checkpoint_due()
    if planned or wanted or stop:
        draft = _drafted(run, event.state, records)
        if records is not None and draft is not None:
            records.save(draft, planned)
    if stop:
        raise Stopped


def _drafted(run: TrainingRun, state: loop.RunState, records: Records | None) -> Draft | None:
    """A state that may be saved, to be called by every process; None where another one writes."""
    if records is not None:
        records.settle()
    parts = loop.to_save(state, run.setup, run.built.layout)
    return None if records is None else records.draft(parts, loop.replay_snapshot(state, run.built.layout))


def may_stop(event: loop.Event) -> bool:
    """Whether a run may be stopped at an event.

    Not between an evaluation and the end of its iteration, which may have a checkpoint, nor when all is done.
    Processes that train together agree at the ends of iterations, where all of them come by.
    """
    if isinstance(event, loop.IterationEnd):
        return not event.last
    return not (processes.joined() or isinstance(event, loop.Evaluated))


def may_save(event: loop.Event) -> bool:
    """Whether a checkpoint that the clock or an evaluation wants may be taken at an event."""
    if isinstance(event, loop.IterationEnd):
        return True
    return not processes.joined() and isinstance(event, loop.Updated)


def _healthy(folder: Path) -> str:
    checkpoints = Checkpoints(folder / "checkpoints", reading=True)
    newest = max(checkpoints.numbers, default=None)
    checkpoints.close()
    if newest is None:
        return "There is no checkpoint yet."
    return f"The last healthy checkpoint is {checkpoints.path(newest)}."
