"""One HTML page about one or several runs, or about whole sweeps.

A folder with a config.json is the workdir of a run; one without is that of a sweep, and holds workdirs.
"""

from pathlib import Path

import jax
import numpy as np

from rankq_jax.analysis import curves, evaluations, kinds, page, pictures, results, trajectories
from rankq_jax.analysis.evaluations import Curve
from rankq_jax.analysis.groups import task_of
from rankq_jax.analysis.q_landscape import landscape
from rankq_jax.analysis.results import Run
from rankq_jax.errors import InputError
from rankq_jax.tasks import Measure, Scene
from rankq_jax.tasks.task import LENGTH, RETURN, SUCCESS
from rankq_jax.training.restore import restore
from rankq_jax.writers import write_text

SHOWN_STATES = 3  # whose landscape is drawn


def _measures(runs: list[Run]) -> list[Measure]:
    """What any of the runs is measured by; success first."""
    found = {measure for run in runs for measure in task_of(run).measures}
    return [measure for measure in (SUCCESS, RETURN, LENGTH) if measure in found]


def _mean(run: Run, measure: Measure, end: str) -> str:
    """Over the seeds; `-` where the run was not measured so."""
    known = measure in task_of(run).measures
    values = evaluations.end(run, measure, end) if known else None
    if values is None:
        return "-"
    if measure == SUCCESS:
        return f"{100 * values.mean():.1f} %"
    return f"{values.mean():.0f} steps" if measure == LENGTH else f"{values.mean():.1f}"


def _overview(runs: list[Run]) -> str:
    columns = [(m, end) for m in _measures(runs) for end in results.ENDS if (m, end) != (LENGTH, "offline")]
    head = ["algorithm", "task", "seeds", *(f"{end} {measure.field}" for measure, end in columns),
            "updates", "environment steps", "updates/s"]  # fmt: skip
    rows = []
    for run in runs:
        summary = run.summary
        if summary is None:
            rows.append([run.name, run.setting("task"), "-", "not finished", *["-"] * (len(head) - 4)])
            continue
        rows.append(
            [
                run.name,
                run.setting("task"),
                ", ".join(map(str, summary["seeds"])),
                *(_mean(run, measure, end) for measure, end in columns),
                str(summary["updates"]),
                str(summary["env_steps"]),
                f"{results.updates_per_second(run):.0f}",
            ]
        )
    about = runs[0]
    text = (
        f"{', '.join(m.quantity for m in _measures(runs))}: means over "
        f"{about.setting('evaluation_episodes')} greedy evaluation "
        "episodes per seed: offline after the last offline update, final after the last update of the run, "
        f"not the best. Commit {about.commit}; "
        + ", ".join(f"{name} {version}" for name, version in about.versions.items())
    )
    return page.table(head, rows) + page.note(text)


def _curves(runs: list[Run]) -> str:
    panels: dict[str, dict[str, list[Curve]]] = {}
    for measure in _measures(runs):
        for run in runs:
            if run.evaluations and measure in task_of(run).measures:
                own = panels.setdefault(measure.quantity, {}).setdefault(run.name, [])
                own.append(evaluations.curve(run, measure.field))
    if not panels:
        return page.note("No evaluation has been recorded yet.")
    return page.picture(curves.learning_curves(panels), f"{', '.join(panels)} over training")


def _maze(run: Run, scene: Scene) -> str:
    phases = trajectories.of_first_seed(run)
    if not phases:
        return page.note("No phase has ended yet.")
    return page.picture(pictures.maze_trajectories(scene, phases), "Evaluation trajectories in the maze")


def _landscapes(run: Run) -> str:
    try:
        restored = restore(run.folder)
    except InputError as error:
        return page.note(str(error))
    size = restored.built.networks.action_size
    if not run.evaluations:
        return page.note("No evaluation has been recorded yet.")
    if size < 2:
        return page.note("Actions have one dimension; values are drawn over two.")
    if restored.value is None:
        return page.note("This agent learns no values.")
    if not task_of(run).spec.flat:
        return page.note("Observations are no vectors; values are drawn for vectors.")
    try:
        starts = np.asarray([record["start"] for record in run.evaluations], np.float64)
        if starts.ndim != 2 or not starts.shape[1] or not (np.abs(starts) <= kinds.LARGEST).all():
            raise ValueError("not one finite state for each episode")
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        path = run.folder / "evaluations.jsonl"
        raise InputError(f"{path}: field 'start' of a record is missing or no state; restore it.") from error
    scene = task_of(run).scene
    order = np.arange(len(starts))
    if scene is not None:  # from far to near
        order = np.argsort(-np.linalg.norm(starts[:, :2] - scene.goal, axis=1), kind="stable")
    chosen = order[np.linspace(0, len(order) - 1, SHOWN_STATES).astype(int)]
    places = {}
    for i, index in enumerate(chosen):
        state = starts[index]
        where = f"at ({state[0]:.1f}, {state[1]:.1f}) m" if scene is not None else f"episode {index}"
        places[f"start {where}"] = landscape(restored.value(0), state, size, jax.random.key(i))
    return page.picture(pictures.landscapes(places), "Action values and their gradient field") + page.note(
        "First seed, minimum over critic members. Arrows: direction of the gradient. "
        "White: gradient ascent from eight random actions, the dot where it ends."
    )


def _about_runs(workdirs: list[Path]) -> tuple[str, list[tuple[str, str]]]:
    runs = [results.read(folder) for folder in workdirs]
    sections = [("Results", _overview(runs)), ("Learning curves", _curves(runs))]
    for run in runs:
        scene = task_of(run).scene
        if scene is not None:
            sections.append((f"{run.name}: evaluation trajectories", _maze(run, scene)))
        sections.append((f"{run.name}: the value of actions", _landscapes(run)))
    return ", ".join(dict.fromkeys(run.setting("task") for run in runs)), sections


def _about_sweeps(folders: list[Path]) -> tuple[str, list[tuple[str, str]]]:
    # Every training run imports this file for its own page, which needs no statistics.
    from rankq_jax.analysis import sweep_page, sweeps

    sweep = sweeps.read(folders)
    return f"sweep over {', '.join(sweep.sections) or 'no readable run'}", sweep_page.sections(sweep)


def write(out: Path, folders: list[Path]) -> Path:
    """Writes `out/index.html` in one move, about runs or, if one of the folders is a sweep's, about all runs.

    Returns:
      The page's path.

    Raises:
      InputError: if a folder is no run's and no sweep's, a file of a run is damaged (a sweep lists that run
        as failed instead), or `out` cannot be written to.
    """
    one_by_one = all((folder / "config.json").exists() for folder in folders)
    title, sections = (_about_runs if one_by_one else _about_sweeps)(folders)
    path = out / "index.html"
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_text(path, page.page(f"rankq_jax: {title}", sections))
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}).") from error
    return path
