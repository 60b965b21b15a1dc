"""What a run leaves in its folder while it trains: lines, events, checkpoints, a progress bar."""

import contextlib
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from rankq_jax import files, tasks
from rankq_jax.checkpoints import Checkpoints, Found, Held
from rankq_jax.configs import RunConfig
from rankq_jax.evaluation import Evaluation
from rankq_jax.loop import Listener, Progress
from rankq_jax.timing import Stopwatch
from rankq_jax.training import summary
from rankq_jax.types import Episodes
from rankq_jax.writers import JsonLines, TensorBoard

RECENT_EPISODES = 100  # that the progress bar's running mean is over


class Records:
    """Everything written below `--workdir` between the first and the last round."""

    def __init__(
        self,
        folder: Path,
        config: RunConfig,
        checkpoints: Checkpoints,
        stopwatch: Stopwatch,
        found: Found | None,
        score: Callable[[Evaluation], float],
    ) -> None:
        """Opens the files.

        Args:
          folder: the `--workdir`.
          config: of the run.
          checkpoints: where states go.
          stopwatch: whose seconds each record carries.
          found: the checkpoint that the run goes on from; None starts from nothing. What was written after
            that checkpoint is dropped, because it will be written again.
          score: by which the best checkpoints are chosen.

        Raises:
          InputError: if a file is shorter than it was at the checkpoint.
        """
        nothing = {"metrics": 0, "evaluations": 0, "updates": None, "env_steps": 0}
        keep: dict[str, Any] = found.notes if found else nothing
        self._folder, self._stopwatch = folder, stopwatch
        self._task = tasks.find(config.task)
        self._seeds = [config.seed + i for i in range(config.seeds)]
        self._metrics = JsonLines(folder / "metrics.jsonl", keep["metrics"])
        self._evaluations = JsonLines(folder / "evaluations.jsonl", keep["evaluations"])
        self._board = TensorBoard(folder / "tensorboard", keep["updates"])
        self._checkpoints, self._score = checkpoints, score
        self._scored: tuple[int, int, float] | None = None  # updates, environment steps, score
        self._interval = 60.0 * config.checkpoint_minutes
        self._saved = time.monotonic()  # which no change of the system's clock moves
        self._recent: deque[float] = deque(maxlen=RECENT_EPISODES)
        updates = config.offline.updates + int(config.online.env_steps * config.online.updates_per_step)
        self._bar = tqdm(total=updates, unit="update", smoothing=0.1, dynamic_ncols=True)
        self._mark = (time.perf_counter(), keep["env_steps"])
        self._rate = 0.0  # environment steps per second

    def listener(self) -> Listener:
        """What `loop.run` reports to."""
        return Listener(
            metrics=self._on_metrics,
            episodes=self._on_episodes,
            evaluation=self._on_evaluation,
            checkpoint=self._on_checkpoint,
            due=self._due,
        )

    def _on_metrics(self, phase: str, progress: Progress, metrics: dict[str, np.ndarray]) -> None:
        if progress.env_steps != self._mark[1]:  # all dispatches of a round follow its environment steps
            now = time.perf_counter()
            self._rate = (progress.env_steps - self._mark[1]) / max(now - self._mark[0], 1e-9)
            self._mark = (now, progress.env_steps)
        self._bar.set_description(phase)
        self._bar.update(progress.updates - self._bar.n)
        self._bar.set_postfix_str(f"{self._rate:.0f} env steps/s, {self._score_of_episodes()}")
        for i, seed in enumerate(self._seeds):
            values = {name: float(value[i]) for name, value in metrics.items()}
            self._metrics.write({**_place(phase, progress, seed), **values, "seconds": self._seconds()})
            self._board.write(seed, progress.updates, values)

    def _on_episodes(self, progress: Progress, ended: list[tuple[int, Episodes]]) -> None:
        dense = self._task.success is None
        self._recent.extend(float(e.reward.sum() if dense else e.success.any()) for _, e in ended)

    def _on_evaluation(self, phase: str, progress: Progress, result: Evaluation, last: bool) -> None:
        for i, seed in enumerate(self._seeds):
            for j in range(result.length.shape[1]):
                self._evaluations.write(
                    {
                        **_place(phase, progress, seed),
                        "episode": j,
                        "return": result.returns[i, j],
                        "length": result.length[i, j],
                        "success": result.success[i, j],
                        "start": result.start[i, j],
                        "goal": result.goal[i, j],
                    }
                )
            means = summary.means(self._task, result, i)
            self._board.write(
                seed, progress.updates, {f"evaluation/{name}": mean for name, mean in means.items()}
            )
        self._scored = (progress.updates, progress.env_steps, self._score(result))
        self._recent.clear()
        scores = result.returns if self._task.success is None else result.success
        self._recent.extend(scores.ravel().tolist())
        self._bar.set_postfix_str(f"evaluation: {self._score_of_episodes()}")
        if last:
            self._write_trajectories(phase, result)

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

    def _due(self) -> bool:
        """Whether a checkpoint is wanted for the time that has passed or an evaluation among the best."""
        if self._scored is not None and self._checkpoints.marks.wants(self._scored[2]):
            return True
        return time.monotonic() - self._saved >= self._interval > 0.0

    def _on_checkpoint(self, parts: dict[str, Any], held: Held, planned: bool) -> None:
        progress = parts["progress"]
        notes = {
            "metrics": self._metrics.sync(),
            "evaluations": self._evaluations.sync(),
            "seconds": self._seconds(),
            "updates": progress.updates,
            "env_steps": progress.env_steps,
        }
        same = self._scored is not None and self._scored[:2] == (progress.updates, progress.env_steps)
        score = self._scored[2] if self._scored is not None and same else None
        self._checkpoints.save(parts, notes, held, score, anchor=planned)
        self._saved, self._scored = time.monotonic(), None

    def _score_of_episodes(self) -> str:
        mean = f"{np.mean(self._recent):.2f}" if self._recent else "-"
        return f"{self._task.measures[0].field} {mean}"

    def _seconds(self) -> dict[str, float]:
        seconds = {**self._stopwatch.seconds, "total": self._stopwatch.total}
        return {name: round(value, 3) for name, value in seconds.items()}

    def close(self) -> None:
        """Closes every file and waits for the last checkpoint.

        Raises:
          InputError: if that could not be written; the files are closed all the same.
        """
        self._bar.close()
        with contextlib.ExitStack() as closing:  # from the last to the first, whichever of them fails
            for part in (self._checkpoints, self._board, self._evaluations, self._metrics):
                closing.callback(part.close)


def _nothing(*told: Any) -> None:
    pass


# What writes nothing: of processes that are joined all but the first one report to it.
SILENT = Listener(_nothing, _nothing, _nothing, _nothing)


def _place(phase: str, progress: Progress, seed: int) -> dict[str, Any]:
    return {
        "phase": phase,
        "updates": progress.updates,
        "env_steps": progress.env_steps,
        "seed": seed,
    }
