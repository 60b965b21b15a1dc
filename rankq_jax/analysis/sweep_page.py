"""The sections of a page about a sweep: curves, tables and profiles with intervals, and what is not done."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from rankq_jax.analysis import curves, page, statistics
from rankq_jax.analysis.arms import Arm, collected, ends_of, text_of
from rankq_jax.analysis.curves import Line
from rankq_jax.analysis.groups import across
from rankq_jax.analysis.statistics import Estimate, interquartile_mean
from rankq_jax.analysis.sweeps import Sweep, differences
from rankq_jax.tasks import Measure

NONE = "-"
METHOD = (
    "Interquartile means over seeds (a quarter of the seeds, rounded down, is left out at either end: none "
    f"of three, one of four) with {100 * statistics.CONFIDENCE:.0f} % intervals: percentiles of "
    f"{statistics.RESAMPLES} bootstrap resamples of the seeds, within each task on its own, drawn with a "
    "fixed seed (arXiv 2108.13264). Of few seeds they are narrower than they should be: with three they "
    "reach from the lowest seed to the highest, with one there is none."
)


def _text(estimate: Estimate, runs: int, measure: Measure) -> str:
    """Of one run there is no interval."""
    return estimate.text(measure.digits) if runs > 1 else f"{estimate.value:.{measure.digits}f}"


def _ends(arm: Arm, columns: Sequence[tuple[str, Measure]]) -> list[str]:
    """A cell with an interval for each end and measure."""
    values = [arm.result(end, measure) for end, measure in columns]
    known = [m.scale * v for v, (_, m) in zip(values, columns, strict=True) if v is not None]
    # together, because a bootstrap takes its time
    band = iter(zip(*statistics.interquartile_means(np.stack(known, axis=1)), strict=True) if known else ())
    return [
        NONE if own is None else _text(Estimate(*next(band)), arm.done, measure)
        for own, (_, measure) in zip(values, columns, strict=True)
    ]


def _seeds(arm: Arm) -> str:
    return str(arm.done) if arm.done == arm.planned else f"{arm.done} of {arm.planned}"


def _finals(arms: Sequence[Arm]) -> str:
    score, *others = arms[0].measures
    ends = ends_of(arms)
    columns = [*((end, score) for end in ends), *(("final", measure) for measure in others)]
    head = ["arm", "seeds", *(f"{end} {measure.head}" for end, measure in columns), "updates/s"]
    rates = [f"{a.updates_per_second:.0f}" if np.isfinite(a.updates_per_second) else NONE for a in arms]
    rows = [[a.label, _seeds(a), *_ends(a, columns), rate] for a, rate in zip(arms, rates, strict=True)]
    episodes = " or ".join(dict.fromkeys(str(a.run.setting("evaluation_episodes")) for a in arms))
    return page.table(head, rows) + page.note(
        f"Over {episodes} greedy evaluation episodes of each seed: {text_of(ends)}. "
        "Runs that have not finished are left out. "
        "Updates of one process per second, summed over the seeds that it trains, without compilation, over "
        "all workdirs of the arm."
    )


def line(arm: Arm, number: int, name: str) -> Line | None:
    """The curve of an arm with its band; None if nothing was evaluated yet.

    Args:
      arm: the runs of all its seeds.
      number: that of its style.
      name: of a measure, e.g. `success`.
    """
    curve = arm.curve(name)
    there = np.isfinite(curve.value).any(axis=1)
    if not there.any():
        return None
    values = curve.value[there]
    band = statistics.interquartile_means(values.T)
    label = arm.label if arm.done == arm.planned else f"{arm.label}: {_seeds(arm)} seeds finished"
    partial = np.isfinite(values).sum(axis=1) < arm.planned
    return Line(label, number, curve.position[there], *band, partial)


def _training(arms: Sequence[Arm], styles: Sequence[str]) -> str:
    found = {
        measure.quantity: [line(arm, styles.index(arm.label), measure.name) for arm in arms]
        for measure in arms[0].measures
    }
    panels = {name: known for name, lines in found.items() if (known := [x for x in lines if x is not None])}
    missing = [arm.label for arm in arms if not arm.curve(arm.score.name).value.size]
    text = "Interquartile mean over the seeds with its interval at each point. "
    if any(one.partial.any() for lines in panels.values() for one in lines):
        text += "Hollow points: not all seeds of the arm have come so far. "
    if missing:
        text += f"Not evaluated yet: {', '.join(missing)}."
    shown = page.picture(curves.learning_curves(panels), "Learning curves with bands") if panels else ""
    return shown + page.note(text)


def thresholds(scores: Sequence[np.ndarray], share: bool) -> np.ndarray:
    """`[P]`, every score that occurs, between which a profile is constant, and both ends of the axis."""
    known = np.concatenate([np.ravel(values) for values in scores])
    ends = [0.0, 1.0] if share else [known.min() - 0.05 * max(float(np.ptp(known)), 1e-9)]
    return np.unique([*ends, *known])


def _profile(tables: dict[str, np.ndarray], score: Measure, styles: Sequence[str]) -> str:
    if not tables:
        return page.note("No run has finished yet.")
    limits = thresholds(list(tables.values()), score.quantity in curves.SHARES)
    whole = np.zeros(len(limits), bool)
    lines = [
        Line(label, styles.index(label), limits, *statistics.performance_profile(scores, limits), whole)
        for label, scores in tables.items()
    ]
    shown = page.picture(curves.profiles(lines, f"final {score.quantity}"), "Performance profiles")
    text = "Share of the finished runs whose final score lies above the threshold, with its interval."
    return shown + page.note(text)


def _tasks_together(sweep: Sweep, styles: Sequence[str]) -> str:
    tables, reasons = across(sweep.sections)
    parts = []
    if tables:
        score = next(arm.score for arms in sweep.sections.values() for arm in arms)
        means = {label: interquartile_mean(score.scale * scores) for label, scores in tables.items()}
        rows = [
            [label, str(len(scores)), _text(means[label], scores.size, score)]
            for label, scores in tables.items()
        ]
        text = (
            f"Interquartile mean over all seeds and tasks together: {', '.join(sweep.sections)}. The "
            "bootstrap draws seeds within each task."
        )
        parts = [page.table(["arm", "seeds on each task", f"final {score.head}"], rows), page.note(text)]
        parts.append(_profile(tables, score, styles))
    if reasons:
        parts.append(page.note(f"Missing here: {' '.join(reasons)}"))
    return "".join(parts)


def _open(sweep: Sweep) -> str:
    if not sweep.open:
        return page.note("Every job is done.")
    head = ["job", "state", "starts", "failures", "host", "evaluated up to", "last error"]
    rows = []
    for job in sweep.open:
        counts = [NONE if count is None else str(count) for count in (job.starts, job.failures)]
        rows.append([job.name, job.state, *counts, *(x or NONE for x in (job.host, job.reached, job.error))])
    return page.table(head, rows, sentences=("evaluated up to", "last error"))


def _overview(sweep: Sweep) -> str:
    states = Counter(job.state for job in sweep.open)
    done = sweep.jobs - len(sweep.open)
    counts = ", ".join([f"{done} done", *(f"{count} {state}" for state, count in states.items())])
    text = page.note(f"{sweep.jobs} jobs: {counts}.")
    return text + "".join(page.warning(sentence) for sentence in differences(sweep))


def _origin(sweep: Sweep) -> str:
    runs = [run for _, run in sweep.runs]
    commits = ", ".join(dict.fromkeys(run.commit for run in runs))
    versions = dict.fromkeys(", ".join(f"{name} {v}" for name, v in run.versions.items()) for run in runs)
    parts = [METHOD, *(f"Commit {commits}; {'; or '.join(versions)}." for _ in runs[:1])]
    for task, arms in sweep.sections.items():
        fields = ("dataset", "dataset_steps", "offline.updates", "online.env_steps")
        dataset, rows, updates, steps = (
            " or ".join(dict.fromkeys(str(arm.run.setting(field)) for arm in arms)) for field in fields
        )
        first = " or ".join(dict.fromkeys(str(collected(arm.run)) for arm in arms))
        parts.append(
            f"{task}: dataset {dataset or 'of the task'} of {rows} transitions, "
            + (f"{first} environment steps collected before all updates, " if first != "0" else "")
            + f"{updates} offline updates, then {steps} environment steps per seed."
        )
    return "".join(page.note(part) for part in parts)


def sections(sweep: Sweep) -> list[tuple[str, str]]:
    """Headings and HTML of a page, for `page.page`."""
    styles = list(dict.fromkeys(arm.label for arms in sweep.sections.values() for arm in arms))
    found = [("Jobs", _overview(sweep))]
    for task, arms in sweep.sections.items():
        finals = {arm.label: v for arm in arms if (v := arm.result("final")) is not None}
        found += [
            (f"{task}: learning curves", _training(arms, styles)),
            (f"{task}: final results", _finals(arms)),
            (f"{task}: performance profiles", _profile(finals, arms[0].score, styles)),
        ]
    if sweep.sections:
        found.append(("All tasks together", _tasks_together(sweep, styles)))
    return [*found, ("Jobs that are not done", _open(sweep)), ("How the numbers were made", _origin(sweep))]
