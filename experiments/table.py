"""A Markdown table about several runs.

python -m experiments.table --out=docs/results/pointmaze.md WORKDIR [WORKDIR ...]
"""

import os
import platform
from pathlib import Path

import numpy as np
from absl import flags

from experiments import cli
from rankq_jax.analysis import results
from rankq_jax.analysis.results import Run
from rankq_jax.errors import InputError

OUT = flags.DEFINE_string("out", None, "Markdown file.")
COMMAND = flags.DEFINE_string("command", "make results", "The command that made the runs and this table.")

NOTE = flags.DEFINE_string("note", "", "A remark on how the runs were made, put under the table.")

# Fields that runs of one table must have in common.
SHARED = (
    "task", "dataset", "dataset_steps", "offline", "online", "actor_hidden", "critic_hidden",
    "batch_size", "discount", "seed", "seeds", "train_envs", "evaluation_episodes",
)  # fmt: skip


def _each(values: list[float | None], scale: float, digits: int) -> str:
    known = [v * scale for v in values if v is not None]
    if not known:
        return "-"
    listed = ", ".join(f"{v:.{digits}f}" for v in known)
    return f"{np.mean(known):.{digits}f} ({listed})"


def _row(run: Run) -> str:
    summary = run.summary
    assert summary is not None
    cells = [
        run.name,
        _each(summary["offline_success_rate"], 100, 0),
        _each(summary["final_success_rate"], 100, 0),
        _each(summary["final_episode_length"], 1, 0),
        f"{results.updates_per_second(run):.0f}",
        f"{summary['wall_seconds']['total']:.0f}",
    ]
    return f"| {' | '.join(cells)} |"


def write(out: Path, workdirs: list[Path], command: str, note: str) -> None:
    """Writes the table of finished runs of one task.

    Raises:
      InputError: if a run has not finished, or tasks or budgets differ.
    """
    runs = [results.read(folder) for folder in workdirs]
    for run in runs:
        if run.summary is None:
            raise InputError(f"{run.folder}: has not finished; run it to its end first.")
        for field in SHARED:
            if run.config[field] != runs[0].config[field]:
                raise InputError(f"{run.folder}: field {field!r} differs from {runs[0].folder}.")
    config = runs[0].config
    versions = ", ".join(f"{name} {version}" for name, version in runs[0].versions.items())
    lines = [
        f"# {config['task']}",
        "",
        f"Written by `{command}`. One budget for all: {config['offline']['updates']} offline updates, then "
        f"{config['online']['env_steps']} environment steps with {config['online']['updates_per_step']:g} "
        f"updates each, networks of {'-'.join(map(str, config['critic_hidden']))}, batch "
        f"{config['batch_size']}, mixing ratio {config['online']['mixing_ratio']:g}.",
        "",
        f"Success rate in percent and episode length in steps: mean over seeds (each of the seeds "
        f"{', '.join(map(str, runs[0].summary['seeds'] if runs[0].summary else []))}), over "
        f"{config['evaluation_episodes']} greedy evaluation episodes from random cells, after the last "
        "update of the phase; the last value, not the best. A failed episode counts with its full length. "
        "Updates/s are summed over the seeds, which train side by side in one program, without compilation.",
        "",
        "| algorithm | offline success | final success | final episode length | updates/s | wall seconds |",
        "|---|---|---|---|---|---|",
        *(_row(run) for run in runs),
        *(["", note] if note else []),
        "",
        f"Written on {platform.machine()} with {os.cpu_count()} cores. Commit "
        f"{', '.join(dict.fromkeys(run.commit for run in runs))}. {versions}.",
    ]
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError(f"{out}: cannot be written ({error.strerror}).") from error


def main(arguments: list[str]) -> None:
    """Entry point."""
    if not arguments:
        raise InputError("give the --workdir of one run or of several.")
    write(Path(OUT.value or ""), [Path(a) for a in arguments], COMMAND.value, NOTE.value)


if __name__ == "__main__":
    flags.mark_flag_as_required("out")
    cli.run(main)
