"""Consumers of a run's events: JSON lines, TensorBoard's events, and a progress bar."""

import contextlib
import time
from collections import deque
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from rankq_jax import files, tasks
from rankq_jax.configs import RunConfig
from rankq_jax.evaluation import Evaluation
from rankq_jax.loop import Collected, Evaluated, Progress
from rankq_jax.timing import Stopwatch
from rankq_jax.training import summary
from rankq_jax.writers import JsonLines, TensorBoard

RECENT_EPISODES = 100  # that the progress bar's running mean is over


class Lines:
    """`metrics.jsonl`, `evaluations.jsonl`, and the trajectories of the last evaluation of each phase."""

    def __init__(
        self,
        folder: Path,
        config: RunConfig,
        stopwatch: Stopwatch,
        keep: dict[str, Any],
    ) -> None:
        self._folder, self._stopwatch = folder, stopwatch
        self._seeds = [config.seed + i for i in range(config.seeds)]
        self._metrics = JsonLines(folder / "metrics.jsonl", keep["metrics"])
        self._evaluations = JsonLines(folder / "evaluations.jsonl", keep["evaluations"])

    def updated(self, phase: str, progress: Progress, metrics: dict[str, np.ndarray]) -> None:
        """A line for each seed."""
        for i, seed in enumerate(self._seeds):
            values = {name: float(value[i]) for name, value in metrics.items()}
            place = _place(phase, progress, seed)
            self._metrics.write({**place, **values, "seconds": seconds(self._stopwatch)})

    def evaluated(self, event: Evaluated) -> None:
        """A line for each episode."""
        result = event.evaluation
        for i, seed in enumerate(self._seeds):
            for j in range(result.length.shape[1]):
                self._evaluations.write(
                    {
                        **_place(event.phase, event.progress, seed),
                        "episode": j,
                        "return": result.returns[i, j],
                        "length": result.length[i, j],
                        "success": result.success[i, j],
                        "start": result.start[i, j],
                        "goal": result.goal[i, j],
                    }
                )
        if event.last:
            self._write_trajectories(event.phase, result)

    def _write_trajectories(self, phase: str, result: Evaluation) -> None:
        count = result.length.shape[1]
        paths = [
            np.concatenate([e.observation, e.next_observation[-1:]]).astype(np.float32)
            for e in result.episodes
        ]
        with files.atomic(self._folder / f"trajectories-{phase}.npz") as file:
            np.savez_compressed(
                file,
                observation=np.concatenate(paths),
                length=[len(path) for path in paths],
                seed=np.repeat(self._seeds, count),
                success=result.success.ravel(),
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

    def __init__(self, board: TensorBoard, seeds: list[int], task: tasks.Task) -> None:
        self._board, self._seeds, self._task = board, seeds, task
        self.close = board.close

    def updated(self, progress: Progress, metrics: dict[str, np.ndarray]) -> None:
        """The metrics of a dispatch."""
        for i, seed in enumerate(self._seeds):
            values = {name: float(value[i]) for name, value in metrics.items()}
            self._board.write(seed, progress.updates, values)

    def evaluated(self, event: Evaluated) -> None:
        """The means over the episodes."""
        for i, seed in enumerate(self._seeds):
            means = summary.means(self._task, event.evaluation, i)
            named = {f"evaluation/{name}": mean for name, mean in means.items()}
            self._board.write(seed, event.updates, named)


class Bar:
    """The progress bar."""

    def __init__(self, config: RunConfig, task: tasks.Task, env_steps: int) -> None:
        self._field = task.measures[0].field
        self._dense = self._field != "success"
        self._recent: deque[float] = deque(maxlen=RECENT_EPISODES)
        updates = config.offline.updates + int(config.online.env_steps * config.online.updates_per_step)
        self._bar = tqdm(total=updates, unit="update", smoothing=0.1, dynamic_ncols=True)
        self.close = self._bar.close
        self._mark = (time.perf_counter(), env_steps)
        self._rate = 0.0  # environment steps per second

    def collected(self, event: Collected) -> None:
        """Episodes that have ended."""
        self._recent.extend(
            float(e.reward.sum() if self._dense else e.success.any()) for _, e in event.episodes
        )

    def updated(self, phase: str, progress: Progress) -> None:
        """Updates that were made."""
        if progress.env_steps != self._mark[1]:  # all dispatches of an iteration follow its environment steps
            now = time.perf_counter()
            self._rate = (progress.env_steps - self._mark[1]) / max(now - self._mark[0], 1e-9)
            self._mark = (now, progress.env_steps)
        self._bar.set_description(phase)
        self._bar.update(progress.updates - self._bar.n)
        self._bar.set_postfix_str(f"{self._rate:.0f} env steps/s, {self._score()}")

    def evaluated(self, event: Evaluated) -> None:
        """Episodes of an evaluation."""
        self._recent.clear()
        self._recent.extend(event.metrics[self._field].ravel().tolist())
        self._bar.set_postfix_str(f"evaluation: {self._score()}")

    def _score(self) -> str:
        return f"{self._field} " + (f"{np.mean(self._recent):.2f}" if self._recent else "-")


def seconds(stopwatch: Stopwatch) -> dict[str, float]:
    """Seconds by section, and `total`, as records have them."""
    found = {**stopwatch.seconds, "total": stopwatch.total}
    return {name: round(value, 3) for name, value in found.items()}


def _place(phase: str, progress: Progress, seed: int) -> dict[str, Any]:
    return {"phase": phase, "updates": progress.updates, "env_steps": progress.env_steps, "seed": seed}
