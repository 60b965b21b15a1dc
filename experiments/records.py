"""What a run leaves in its folder while it trains: lines, events, checkpoints, a progress bar."""

import time
from collections import deque
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from rankq_jax.checkpoints import Checkpoints
from rankq_jax.evaluation import Evaluation
from rankq_jax.loop import Listener, Progress, RunState
from rankq_jax.timing import Stopwatch
from rankq_jax.types import Episodes
from rankq_jax.writers import JsonLines, TensorBoard

RECENT_EPISODES = 100  # that the progress bar's running success rate is over


class Records:
    """Everything written below `--workdir` between the first and the last round."""

    def __init__(
        self,
        folder: Path,
        seeds: list[int],
        checkpoints: Checkpoints,
        stopwatch: Stopwatch,
        notes: dict[str, Any] | None,
        updates: int,
    ) -> None:
        """Opens the files.

        Args:
          folder: the `--workdir`.
          seeds: of the run.
          checkpoints: where states go.
          stopwatch: whose seconds each record carries.
          notes: of the checkpoint that the run goes on from; None starts from nothing. What was
            written after that checkpoint is dropped, because it will be written again.
          updates: of the whole run, roughly, for the progress bar.
        """
        keep = notes or {"metrics": 0, "evaluations": 0, "seconds": {}}
        self._folder, self._seeds, self._stopwatch = folder, seeds, stopwatch
        self._metrics = JsonLines(folder / "metrics.jsonl", keep["metrics"])
        self._evaluations = JsonLines(folder / "evaluations.jsonl", keep["evaluations"])
        self._board = TensorBoard(folder / "tensorboard")
        self._checkpoints = checkpoints
        for section, seconds in keep["seconds"].items():
            if section == "total":
                stopwatch.earlier += seconds
            else:
                stopwatch.seconds[section] += seconds
        self._recent: deque[bool] = deque(maxlen=RECENT_EPISODES)
        self._bar = tqdm(total=updates, unit="update", smoothing=0.1, dynamic_ncols=True)
        self._mark = (time.perf_counter(), 0)

    def listener(self) -> Listener:
        """What `loop.run` reports to."""
        return Listener(self._on_metrics, self._on_episodes, self._on_evaluation, self._on_checkpoint)

    def _on_metrics(self, phase: str, progress: Progress, metrics: dict[str, np.ndarray]) -> None:
        now = time.perf_counter()
        rate = (progress.env_steps - self._mark[1]) / max(now - self._mark[0], 1e-9)
        self._mark = (now, progress.env_steps)
        self._bar.set_description(phase)
        self._bar.update(progress.updates - self._bar.n)
        self._bar.set_postfix_str(f"{rate:.0f} env steps/s, success {self._success()}")
        for i, seed in enumerate(self._seeds):
            values = {name: float(value[i]) for name, value in metrics.items()}
            self._metrics.write({**_place(phase, progress, seed), **values, "seconds": self._seconds()})
            self._board.write(seed, progress.updates, values)

    def _on_episodes(self, progress: Progress, ended: list[tuple[int, Episodes]]) -> None:
        self._recent.extend(bool(episode.success.any()) for _, episode in ended)

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
            rates = {
                "evaluation/success_rate": float(result.success[i].mean()),
                "evaluation/episode_length": float(result.length[i].mean()),
            }
            self._board.write(seed, progress.updates, rates)
        self._recent.clear()
        self._recent.extend(result.success.ravel().tolist())
        self._bar.set_postfix_str(f"evaluation: success {result.success.mean():.2f}")
        if last:
            self._write_trajectories(phase, result)

    def _write_trajectories(self, phase: str, result: Evaluation) -> None:
        count = result.length.shape[1]
        paths = [
            np.concatenate([e.observation, e.next_observation[-1:]]).astype(np.float32)
            for e in result.episodes
        ]
        path = self._folder / f"trajectories-{phase}.npz"
        unfinished = path.with_suffix(".tmp.npz")
        np.savez_compressed(
            unfinished,
            observation=np.concatenate(paths),
            length=[len(path) for path in paths],
            seed=np.repeat(self._seeds, count),
            success=result.success.ravel(),
            goal=result.goal.reshape(len(paths), -1),
        )
        unfinished.replace(path)

    def _on_checkpoint(self, state: RunState) -> None:
        notes = {
            "metrics": self._metrics.position,
            "evaluations": self._evaluations.position,
            "seconds": self._seconds(),
        }
        step = state.progress.updates + state.progress.env_steps
        self._checkpoints.save(step, state._asdict(), notes)

    def _success(self) -> str:
        return f"{np.mean(self._recent):.2f}" if self._recent else "-"

    def _seconds(self) -> dict[str, float]:
        seconds = {**self._stopwatch.seconds, "total": self._stopwatch.total}
        return {name: round(value, 3) for name, value in seconds.items()}

    def close(self) -> None:
        """Closes every file and waits for the last checkpoint."""
        self._bar.close()
        self._metrics.close()
        self._evaluations.close()
        self._board.close()
        self._checkpoints.close()


def silent() -> Listener:
    """What writes nothing: the others of processes that are joined report to it."""

    def nothing(*told: Any) -> None:
        pass

    return Listener(nothing, nothing, nothing, nothing)


def _place(phase: str, progress: Progress, seed: int) -> dict[str, Any]:
    return {
        "phase": phase,
        "updates": progress.updates,
        "env_steps": progress.env_steps,
        "seed": seed,
    }
