"""What a finished run came to, from its evaluations."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from rankq_jax import tasks
from rankq_jax.analysis import results
from rankq_jax.configs import RunConfig
from rankq_jax.evaluation import Evaluation
from rankq_jax.tasks import Task
from rankq_jax.writers import read_lines, write_json, write_text

EVALUATIONS = "evaluations.jsonl"


def summarise(folder: Path, config: RunConfig, seeds: list[int]) -> dict[str, Any]:
    """Per-seed results of the evaluations in `evaluations.jsonl`; lists are in the order of `seeds`.

    `offline_` and `final_` results are of what the task has: see `Task.measures`.
    """
    records = read_lines(folder / EVALUATIONS)

    def last(seed: int, phase: str | None) -> list[dict[str, Any]]:
        mine = [r for r in records if r["seed"] == seed and phase in (None, r["phase"])]
        final = max(((r["updates"], r["env_steps"]) for r in mine), default=None)
        return [r for r in mine if (r["updates"], r["env_steps"]) == final]

    def mean(episodes: list[dict[str, Any]], field: str) -> float | None:
        return float(np.mean([e[field] for e in episodes])) if episodes else None

    task = tasks.find(config.task)
    ends = {
        "offline": [last(seed, "offline") for seed in seeds],
        "final": [last(seed, None) for seed in seeds],
    }
    return {
        "name": config.name,
        "algorithm": config.algorithm,
        "task": config.task,
        "seeds": seeds,
        **{
            f"{end}_{measure.mean}": [mean(episodes, measure.field) for episodes in of_seeds]
            for measure in task.measures
            for end, of_seeds in ends.items()
        },
        "evaluation_episodes": config.evaluation_episodes,
        "exact_resume": task.exact,
    }


def means(task: Task, result: Evaluation, index: int) -> dict[str, float]:
    """`{name of the mean: mean over the episodes}` of the seed at `index`, for each measure of the task."""
    columns = {"success": result.success, "return": result.returns, "length": result.length}
    return {measure.mean: float(columns[measure.field][index].mean()) for measure in task.measures}


def lines(summary: dict[str, Any]) -> list[str]:
    """The results of a summary, one line each; what was never evaluated has none."""
    found = {name: value for name, value in summary.items() if name.startswith(("offline_", "final_"))}
    return [f"{name}: {value}" for name, value in found.items() if set(value) != {None}]


def join(folder: Path, parts: list[Path], config: RunConfig) -> dict[str, Any]:
    """Writes `evaluations.jsonl` and `summary.json` of a configuration whose seeds were trained apart.

    Both look as if one process had trained all seeds. Seconds are those of the part that took longest.
    Several processes may do this at once: each moves whole files of the same content to their places.

    Args:
      folder: what is written to; `config` is its own.
      parts: folders of the finished runs, in the order of their seeds.
      config: of all seeds.

    Returns:
      The summary.

    Raises:
      InputError: if a record of a part cannot be read.
    """
    records = [record for part in parts for record in read_lines(part / EVALUATIONS)]
    records.sort(key=lambda r: (r["updates"] + r["env_steps"], r["seed"], r["episode"]))
    write_text(folder / EVALUATIONS, "".join(json.dumps(record) + "\n" for record in records))
    own = [results.read_json(part / "summary.json") for part in parts]
    slowest = max((summary["wall_seconds"] for summary in own), key=lambda seconds: seconds["total"])
    seeds = [seed for summary in own for seed in summary["seeds"]]
    shared = {name: own[0].get(name) for name in ("dataset", "updates", "env_steps", "devices")}
    restarts = sum(summary["restarts"] for summary in own)
    summary = summarise(folder, config, seeds) | shared | {"restarts": restarts, "wall_seconds": slowest}
    write_json(folder / "summary.json", summary)
    return summary
