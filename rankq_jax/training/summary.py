"""What a finished run came to, from its evaluations."""

import json
from pathlib import Path
from typing import Any

from rankq_jax.analysis import evaluations, results
from rankq_jax.configs import RunConfig, task_of
from rankq_jax.writers import read_lines, write_json, write_text

EVALUATIONS = "evaluations.jsonl"


def summarise(folder: Path, config: RunConfig, seeds: list[int]) -> dict[str, Any]:
    """Per-seed results of the evaluations in `evaluations.jsonl`; lists are in the order of `seeds`.

    `offline_` and `final_` results are the means of what the task has: see `Task.measures`. Runs that collect
    first have `initial_` ones too.
    """
    ends = [end for end in results.ENDS if end != "initial" or config.collect.env_steps]
    task = task_of(config)
    records, names = read_lines(folder / EVALUATIONS), [measure.name for measure in task.measures]
    curves = evaluations.curves(records, names, folder / EVALUATIONS)
    return {
        "name": config.name,
        "algorithm": config.algorithm,
        "task": config.task,
        "seeds": seeds,
        **{
            f"{end}_{measure.mean}": evaluations.at_end(curves[measure.name], seeds, end)
            for measure in task.measures
            for end in ends
        },
        "evaluation_episodes": config.evaluation_episodes,
        "exact_resume": task.exact,
    }


def lines(summary: dict[str, Any]) -> list[str]:
    """The results of a summary, one line each; what was never evaluated has none."""
    return [f"{name}: {summary[name]}" for name in results.per_seed(summary) if set(summary[name]) != {None}]


def join(folder: Path, parts: list[Path], config: RunConfig) -> dict[str, Any]:
    """Writes `evaluations.jsonl` and `summary.json` of a configuration whose seeds were trained apart.

    Both look as if one process had trained all seeds. Seconds are those of the part that took longest.
    Several processes may do this at once: each moves whole files of the same content to their places.

    Args:
      folder: where the files are written.
      parts: folders of the finished runs, in the order of their seeds.
      config: that of all seeds.

    Returns:
      The summary.

    Raises:
      InputError: if a record of a part cannot be read.
    """
    records = [record for part in parts for record in read_lines(part / EVALUATIONS)]
    records.sort(key=lambda r: (r["updates"] + r["env_steps"], r["seed"], r["episode"]))
    write_text(folder / EVALUATIONS, "".join(json.dumps(record) + "\n" for record in records))
    own = [results.read_json(part / "summary.json") for part in parts]
    summary = {
        **summarise(folder, config, [seed for one in own for seed in one["seeds"]]),
        **{name: own[0].get(name) for name in ("dataset", "updates", "env_steps", "devices")},
        "restarts": sum(one["restarts"] for one in own),
        "wall_seconds": max((one["wall_seconds"] for one in own), key=lambda seconds: seconds["total"]),
    }
    write_json(folder / "summary.json", summary)
    return summary
