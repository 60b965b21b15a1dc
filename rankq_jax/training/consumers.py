"""Consumers of a run's events: JSON lines, TensorBoard's events, and progress on stderr.

Each has `updated` for the metrics `{name: [S]}` of a dispatch, `evaluated` for an evaluation, and `close`.
"""

import contextlib
import time
from collections import deque
from pathlib import Path
from typing import Any

import jax
import numpy as np

from rankq_jax import files
from rankq_jax.configs import RunConfig
from rankq_jax.data.observations import named
from rankq_jax.evaluation import Evaluation
from rankq_jax.loop import Collected, Progress
from rankq_jax.tasks import Task
from rankq_jax.timing import Stopwatch
from rankq_jax.training.progress import shown
from rankq_jax.writers import JsonLines, TensorBoard

RECENT_EPISODES = 100  # that the running mean on stderr is over
Metrics = dict[str, np.ndarray]


class Lines:
    """`metrics.jsonl`, `evaluations.jsonl`, and the trajectories of the last evaluation of each phase."""

    def __init__(self, folder: Path, seeds: list[int], stopwatch: Stopwatch, keep: dict[str, Any]) -> None:
        self._folder, self._seeds, self._stopwatch = folder, seeds, stopwatch
        self._metrics = JsonLines(folder / "metrics.jsonl", keep["metrics"])
        self._evaluations = JsonLines(folder / "evaluations.jsonl", keep["evaluations"])

    def updated(self, phase: str, progress: Progress, metrics: Metrics) -> None:
        """A line for each seed."""
        for i, seed in enumerate(self._seeds):
            place = _place(phase, progress, seed)
            self._metrics.write({**place, **_of(metrics, i), "seconds": seconds(self._stopwatch)})

    def evaluated(self, phase: str, progress: Progress, result: Evaluation) -> None:
        """A line for each episode."""
        for i, seed in enumerate(self._seeds):
            place = _place(phase, progress, seed)
            for j in range(result.per_seed):
                measured = {name: values[i, j] for name, values in result.metrics.items()}
                start = jax.tree.map(lambda x, at=(i, j): x[at], result.start)
                where = {**_vectors("start", start, 1), "goal": result.goal[i, j]}
                self._evaluations.write({**place, "episode": j, **measured, **where})

    def write_trajectories(self, phase: str, result: Evaluation) -> None:
        """The episodes of the last evaluation of a phase."""
        episodes = result.episodes
        paths = [
            jax.tree.map(lambda x, y: np.concatenate([x, y[-1:]]), e.observation, e.next_observation)
            for e in episodes
        ]
        joined = [_vectors("observation", path, 2) for path in paths]
        columns: dict[str, Any] = {
            key: np.concatenate([each[key] for each in joined]).astype(np.float32) for key in joined[0]
        }
        with files.atomic(self._folder / f"trajectories-{phase}.npz") as file:
            np.savez_compressed(
                file,
                **columns,
                length=[len(jax.tree.leaves(path)[0]) for path in paths],
                seed=np.repeat(self._seeds, result.per_seed),
                success=[e.success.any() for e in episodes],
                goal=result.goal.reshape(len(paths), -1),
            )

    def sync(self) -> dict[str, int]:
        """Flushes the files to the disk; their lengths by name."""
        return {"metrics": self._metrics.sync(), "evaluations": self._evaluations.sync()}

    def close(self) -> None:
        """Closes the files."""
        with contextlib.ExitStack() as closing:
            closing.callback(self._metrics.close)
            closing.callback(self._evaluations.close)


class Board:
    """TensorBoard's events."""

    def __init__(self, board: TensorBoard, seeds: list[int], task: Task) -> None:
        self._board, self._seeds, self._task = board, seeds, task
        self.close = board.close

    def updated(self, phase: str, progress: Progress, metrics: Metrics) -> None:
        """The metrics of a dispatch."""
        for i, seed in enumerate(self._seeds):
            self._board.write(seed, progress.updates, _of(metrics, i))

    def evaluated(self, phase: str, progress: Progress, result: Evaluation) -> None:
        """The means over the episodes."""
        for i, seed in enumerate(self._seeds):
            means = self._task.means(result.metrics, i)
            self._board.write(seed, progress.updates, {f"evaluation/{name}": x for name, x in means.items()})


class Bar:
    """How far the run is, with the task's score over the last episodes."""

    def __init__(self, config: RunConfig, task: Task, env_steps: int) -> None:
        self._task, self._score = task, task.measures[0]
        self._recent: deque[float] = deque(maxlen=RECENT_EPISODES)
        updates = config.offline.updates + int(config.online.env_steps * config.online.updates_per_step)
        self._bar = shown(updates, "update", smoothing=0.1)
        self.close = self._bar.close
        self._mark = (time.perf_counter(), env_steps)
        self._rate = 0.0  # environment steps per second

    def collected(self, event: Collected) -> None:
        """Episodes that have ended."""
        self._recent.extend(float(self._score.of(self._task, episode)) for _, episode in event.episodes)
        if event.updates == 0:  # there is no line about updates yet
            self._bar.set_description(event.phase)
            self._bar.set_postfix_str(f"{event.env_steps} env steps, {self._told()}")
            self._bar.refresh()

    def updated(self, phase: str, progress: Progress, metrics: Metrics) -> None:
        """Updates that were made."""
        if progress.env_steps != self._mark[1]:  # all dispatches of an iteration follow its environment steps
            now = time.perf_counter()
            self._rate = (progress.env_steps - self._mark[1]) / max(now - self._mark[0], 1e-9)
            self._mark = (now, progress.env_steps)
        self._bar.set_description(phase)
        self._bar.update(progress.updates - self._bar.n)
        self._bar.set_postfix_str(f"{self._rate:.0f} env steps/s, {self._told()}")

    def evaluated(self, phase: str, progress: Progress, result: Evaluation) -> None:
        """Episodes of an evaluation."""
        self._recent.clear()
        self._recent.extend(result.metrics[self._score.name].ravel().tolist())
        self._bar.set_postfix_str(f"evaluation: {self._told()}")

    def _told(self) -> str:
        return f"{self._score.words} " + (f"{np.mean(self._recent):.2f}" if self._recent else "-")


def seconds(stopwatch: Stopwatch) -> dict[str, float]:
    """Seconds by section, and `total`, as records have them."""
    found = {**stopwatch.seconds, "total": stopwatch.total}
    return {name: round(value, 3) for name, value in found.items()}


def _of(metrics: Metrics, index: int) -> dict[str, float]:
    """Those of a seed; diagnostics that it does not have are masked and left out."""
    masked = np.ma.getmaskarray
    return {name: float(value[index]) for name, value in metrics.items() if not masked(value)[index]}


def _vectors(field: str, observation: Any, axes: int) -> dict[str, np.ndarray]:
    """The vectors of an observation by key, arrays of `axes` axes; images are left out of records."""
    return {
        key: leaf
        for key, leaf in named(field, observation).items()
        if leaf.ndim == axes and np.issubdtype(leaf.dtype, np.floating)
    }


def _place(phase: str, progress: Progress, seed: int) -> dict[str, Any]:
    return {"phase": phase, "updates": progress.updates, "env_steps": progress.env_steps, "seed": seed}
