"""One HTML page about one or several runs, or about whole sweeps.

A folder with a config.json is the workdir of a run; one without is that of a sweep, and holds workdirs.
"""

from pathlib import Path

import jax
import numpy as np

from rankq_jax.analysis import curves, diagnostics, evaluations, kinds, page, pictures, results
from rankq_jax.analysis.arms import Arm, ends_of, member, text_of
from rankq_jax.analysis.curves import Line
from rankq_jax.analysis.q_landscape import landscapes
from rankq_jax.analysis.results import Run
from rankq_jax.errors import InputError
from rankq_jax.tasks import Measure, Scene
from rankq_jax.training.restore import restore
from rankq_jax.writers import write_text

SHOWN_STATES = 3  # whose landscape is drawn
FPS = 4  # steps of an episode that a video shows each second


def _measures(arms: list[Arm]) -> list[Measure]:
    """What any of the runs is measured by."""
    return list(dict.fromkeys(measure for arm in arms for measure in arm.measures))


def _mean(arm: Arm, measure: Measure, end: str) -> str:
    """The mean over the seeds; `-` where the run was not measured so."""
    values = arm.result(end, measure)
    if values is None:
        return "-"
    return f"{measure.scale * values.mean():.{measure.digits}f} {measure.unit}".rstrip()


def _overview(arms: list[Arm]) -> str:
    measures = _measures(arms)
    shown = ends_of(arms)
    columns = [(m, end) for m in measures for end in shown if m.name != "length" or end == "final"]
    head = ["algorithm", "task", "seeds", *(f"{end} {measure.words}" for measure, end in columns),
            "updates", "environment steps", "updates/s"]  # fmt: skip
    rows = []
    for arm in arms:
        row, summary = [arm.label, arm.run.setting("task")], arm.run.summary
        if summary is None:
            rows.append([*row, "-", "not finished", *["-"] * (len(head) - 4)])
            continue
        ends = [_mean(arm, measure, end) for measure, end in columns]
        numbers = [str(summary["updates"]), str(summary["env_steps"]), f"{arm.updates_per_second:.0f}"]
        rows.append([*row, ", ".join(map(str, summary["seeds"])), *ends, *numbers])
    about = arms[0].run
    episodes = about.setting("evaluation_episodes")
    text = (
        f"{', '.join(m.quantity for m in measures)}: means over {episodes} greedy evaluation "
        f"episodes per seed: {text_of(shown)}. Commit {about.commit}; "
        + ", ".join(f"{name} {version}" for name, version in about.versions.items())
    )
    return page.table(head, rows) + page.note(text)


def _curves(arms: list[Arm]) -> str:
    labels, panels = list(dict.fromkeys(arm.label for arm in arms)), dict[str, list[Line]]()
    for measure in _measures(arms):
        for arm in arms:
            if measure in arm.measures and (curve := arm.curve(measure.name)).value.size:
                line = curves.of_seeds(arm.label, labels.index(arm.label), curve)
                panels.setdefault(measure.quantity, []).append(line)
    if not panels:
        return page.note("No evaluation has been recorded yet.")
    return page.picture(curves.learning_curves(panels), f"{', '.join(panels)} over training")


def _diagnostics(arms: list[Arm]) -> str:
    """Pictures of what the critics said of actions; empty where no run recorded any."""
    labels = list(dict.fromkeys(arm.label for arm in arms))
    found = [(arm, diagnostics.read(arm.run.folder)) for arm in arms]
    switches = {arm.run.setting("offline.updates") for arm, own in found if own}
    shown = ""
    for chosen in diagnostics.PICTURES:
        panels = dict[str, list[Line]]()
        for name, words in chosen.items():
            for arm, own in found:
                if name in own:
                    line = curves.of_seeds(arm.label, labels.index(arm.label), own[name])
                    panels.setdefault(words, []).append(line)
        if panels:
            last = max(line.position.max() for lines in panels.values() for line in lines)
            picture = curves.over_updates(panels, sorted(x for x in switches if 0 < x < last))
            shown += page.picture(picture, f"{', '.join(panels)} over updates")
    return shown and shown + page.note(
        "On a batch of the size of the updates, at an interval: mean and range of the seeds. Q is the lowest "
        "of the critic members. Of success rows: the shares on which the first action has the higher Q. Of "
        "all rows: the share of pairs that are settled, whose softplus term has a slope below 0.01."
    )


def _maze(run: Run, scene: Scene) -> str:
    if not (phases := evaluations.paths(run.folder)):
        return page.note("No phase has ended yet.")
    return page.picture(pictures.maze_trajectories(scene, phases), "Evaluation trajectories in the maze")


def _starts(run: Run) -> np.ndarray:
    """`[episodes, O]`, where the evaluated episodes began."""
    try:
        starts = np.asarray([record["start"] for record in run.evaluations], np.float64)
        if starts.ndim != 2 or not starts.shape[1] or not (np.abs(starts) <= kinds.LARGEST).all():
            raise ValueError("not one finite state for each episode")
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        path = run.folder / "evaluations.jsonl"
        raise InputError(f"{path}: field 'start' of a record is missing or no state; restore it.") from error
    return starts


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
    if not run.task.spec.flat:
        return page.note("Observations are no vectors; values are drawn for vectors.")
    starts, scene = _starts(run), run.task.scene
    order = np.arange(len(starts))
    if scene is not None:  # from far to near
        order = np.argsort(-np.linalg.norm(starts[:, :2] - scene.goal, axis=1), kind="stable")
    chosen = order[np.linspace(0, len(order) - 1, SHOWN_STATES).astype(int)]
    keys = [jax.random.key(i) for i in range(SHOWN_STATES)]
    found = landscapes(restored.value(0), starts[chosen], size, keys)
    places = {}
    for index, drawn in zip(chosen, found, strict=True):
        x, y = starts[index][:2]
        where = f"at ({x:.1f}, {y:.1f}) m" if scene is not None else f"episode {index}"
        places[f"start {where}"] = drawn
    return page.picture(pictures.landscapes(places), "Action values and their gradient field") + page.note(
        "First seed, minimum over critic members. Arrows: direction of the gradient. "
        "White: gradient ascent from eight random actions, the dot where it ends."
    )


def _films(run: Run) -> str:
    """Videos of the run's first and newest policies, or why there is none."""
    # Other pages need neither environments nor pictures.
    from rankq_jax.envs.filming import encoded
    from rankq_jax.training import films

    shown, score = "", run.task.measures[0]
    for which, acting in (("first", films.first), ("newest", restore)):
        try:
            found = films.film(acting(run.folder))
        except InputError as error:
            shown += page.note(f"No video of the {which} policy: {error}")
            continue
        mean = f"{score.scale * found.score:.{score.digits}f} {score.unit}".rstrip()
        told = f"{run.name}, {which} policy: {score.words} {mean} in these {films.STARTS} episodes"
        shown += page.video(encoded(found.frames, FPS), told)
    return shown


def _about_runs(workdirs: list[Path], film: bool) -> tuple[str, list[tuple[str, str]]]:
    runs = [results.read(folder) for folder in workdirs]
    arms = [Arm(run.name, [member(run)]) for run in runs]
    sections = [("Results", _overview(arms)), ("Learning curves", _curves(arms))]
    if critics := _diagnostics(arms):
        sections.append(("The critic over training", critics))
    for run in runs:
        scene = run.task.scene
        if scene is not None:
            sections.append((f"{run.name}: evaluation trajectories", _maze(run, scene)))
        sections.append((f"{run.name}: the value of actions", _landscapes(run)))
        if film:
            sections.append((f"{run.name}: episodes before and after", _films(run)))
    return ", ".join(dict.fromkeys(run.setting("task") for run in runs)), sections


def _about_sweeps(folders: list[Path], film: bool) -> tuple[str, list[tuple[str, str]]]:
    # Every training run imports this file for its own page, which needs no statistics.
    from rankq_jax.analysis import sweep_page, sweeps

    sweep = sweeps.read(folders)
    sections = sweep_page.sections(sweep)
    for task, arms in sweep.sections.items() if film else ():
        shown = "".join(_films(arm.run) for arm in arms)
        sections.append((f"{task}: episodes before and after, first run of each arm", shown))
    return f"sweep over {', '.join(sweep.sections) or 'no readable run'}", sections


def write(out: Path, folders: list[Path], film: bool = False) -> Path:
    """Writes `out/index.html` in one move, about runs or, if one of the folders is a sweep's, about all runs.

    Args:
      out: the folder of the page.
      folders: of runs, or of sweeps.
      film: whether the page has videos of the first and the newest policies.

    Returns:
      The page's path.

    Raises:
      InputError: if a folder is no run's and no sweep's, a file of a run is damaged (a sweep lists that run
        as failed instead), or `out` cannot be written to.
    """
    one_by_one = all((folder / "config.json").exists() for folder in folders)
    title, sections = (_about_runs if one_by_one else _about_sweeps)(folders, film)
    path = out / "index.html"
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_text(path, page.page(f"rankq_jax: {title}", sections))
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}).") from error
    return path
