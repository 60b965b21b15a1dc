"""A run from its newest checkpoint to its end, and again from there after numbers went bad."""

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from rankq_jax import loop
from rankq_jax.checkpoints import Checkpoints, Found
from rankq_jax.configs import RunConfig
from rankq_jax.errors import InputError, NumericsError, Stopped
from rankq_jax.evaluation import Evaluation
from rankq_jax.timing import Stopwatch
from rankq_jax.training import processes
from rankq_jax.training.build import Experiment
from rankq_jax.training.records import SILENT, Records
from rankq_jax.training.stopping import Requests


class Run(NamedTuple):
    """What all attempts at a run have in common.

    Attributes:
      config: of the run.
      folder: its `--workdir`, claimed and held by this process.
      built: what the configuration describes.
      world: environments and data.
      stopwatch: that runs.
      requests: to stop.
    """

    config: RunConfig
    folder: Path
    built: Experiment
    world: loop.World
    stopwatch: Stopwatch
    requests: Requests


def to_the_end(run: Run) -> loop.Progress:
    """Trains, again after bad numbers, as often as `config.restarts` says.

    It starts again from the last checkpoint that the phases have: others were taken when the clock said so,
    or somebody asked. The number of the attempt is part of the state, and its random numbers depend on it.
    So when a run was interrupted, and how often, makes no difference to it.

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
        state, found = _begun(run, checkpoints, again)
        if found and not seconds_known:
            run.stopwatch.go_on(found.notes["seconds"])
        attempt, seconds_known = max(attempt, state.progress.attempt), True
        state = state._replace(progress=state.progress._replace(attempt=attempt))
        try:
            return _attempted(run, state, found, checkpoints).progress
        except NumericsError as error:
            message = f"{error} {_healthy(run.folder)}"
            if attempt >= run.config.restarts:
                raise NumericsError(message) from error
            attempt, again = attempt + 1, True
            print(f"warning: {message} Restart {attempt} of {run.config.restarts}.", file=sys.stderr)
        except Stopped as request:
            processes.wait("the checkpoint is written")
            raise Stopped(str(request) or f"{run.folder} has a checkpoint") from request


def _begun(run: Run, checkpoints: Checkpoints, again: bool) -> tuple[loop.RunState, Found | None]:
    """The state to go on from, or to start again from, and the checkpoint that it comes from."""
    layout = run.built.layout
    state = loop.initial(run.built.plan, run.world, layout)
    try:
        found = checkpoints.restore(loop.portable(state, layout), run.world.dataset, anchors=again)
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
        return state, None
    for line in found.damaged:
        print(f"warning: {line}; going on from {checkpoints.path(found.number)}", file=sys.stderr)
    processes.wait("the checkpoint is read")
    checkpoints.go_on_from(found.number)
    try:
        return loop.restored(state, found.parts, found.rows, run.world, layout), found
    except ValueError as error:
        raise InputError(f"{checkpoints.path(found.number)}: {error}; delete that folder.") from error


def _begun_before(folder: Path) -> bool:
    records = folder / "metrics.jsonl"
    return records.exists() and records.stat().st_size > 0


def _attempted(
    run: Run, state: loop.RunState, found: Found | None, checkpoints: Checkpoints
) -> loop.RunState:
    train = functools.partial(loop.run, run.built.plan, run.world, run.built.layout, state)
    if not processes.first():
        return train(_attentive(SILENT, run.requests), run.stopwatch)
    score = functools.partial(_score, run)
    written = Records(run.folder, run.config, checkpoints, run.stopwatch, found, score)
    try:
        return train(_attentive(written.listener(), run.requests), run.stopwatch)
    finally:
        written.close()


def _attentive(listener: loop.Listener, requests: Requests) -> loop.Listener:
    """`listener`, and stops where it is requested: at once before this process writes anything."""
    if processes.joined():
        requests.note()  # nobody leaves the others alone

    def noted(tell: Callable[..., None]) -> Callable[..., None]:
        def told(*what: Any) -> None:
            requests.note()
            tell(*what)

        return told

    return listener._replace(
        metrics=noted(listener.metrics),
        evaluation=noted(listener.evaluation),
        checkpoint=noted(listener.checkpoint),
        stop=lambda: processes.agreed(requests()),
    )


def _score(run: Run, result: Evaluation) -> float:
    """By which the best checkpoints are chosen: success rate, or the return where a task has no success."""
    return float((result.returns if run.built.task.success is None else result.success).mean())


def _healthy(folder: Path) -> str:
    checkpoints = Checkpoints(folder / "checkpoints", reading=True)
    newest = max(checkpoints.numbers, default=None)
    if newest is None:
        return "There is no checkpoint yet."
    return f"The last healthy checkpoint is {checkpoints.path(newest)}."
