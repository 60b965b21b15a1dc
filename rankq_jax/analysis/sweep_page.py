"""The sections of a page about a sweep: curves, tables and profiles with intervals, and what is not done."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from rankq_jax.analysis import curves, page, results, statistics
from rankq_jax.analysis.curves import Line
from rankq_jax.analysis.groups import Group, across
from rankq_jax.analysis.statistics import Estimate, interquartile_mean
from rankq_jax.analysis.sweeps import Sweep, differences

NONE = "-"
QUANTITIES = {"success": "success rate", "return": "return (raw reward)", "length": "episode length (steps)"}
METHOD = (
    "Interquartile means over seeds (a quarter of the seeds, rounded down, is left out at either end: none "
    f"of three, one of four) with {100 * statistics.CONFIDENCE:.0f} % intervals: percentiles of "
    f"{statistics.RESAMPLES} bootstrap resamples of the seeds, within each task on its own, drawn with a "
    "fixed seed (arXiv 2108.13264). Of few seeds they are narrower than they should be: with three they "
    "reach from the lowest seed to the highest, with one there is none."
)


def _text(estimate: Estimate, runs: int, digits: int) -> str:
    value, low, high = (f"{x:.{digits}f}" for x in estimate)
    return f"{value} [{low}, {high}]" if runs > 1 else value


def _ends(group: Group) -> dict[str, str]:
    """Scores at the `offline` and the `final` end and the final `length`, with intervals."""
    digits = {"offline": 1, "final": 1, "length": 0}
    values = {end: group.result(end) for end in digits}
    known = {end: v * (100 if group.score == "success" and end != "length" else 1)
             for end, v in values.items() if v is not None}  # fmt: skip
    texts = dict.fromkeys(digits, NONE)
    if known:  # together, because a bootstrap takes its time
        band = statistics.interquartile_means(np.stack(list(known.values()), axis=1))
        for i, end in enumerate(known):
            texts[end] = _text(Estimate(*(float(x[i]) for x in band)), group.done, digits[end])
    return texts


def _rate(group: Group) -> str:
    rates = np.array([results.updates_per_second(m.run) for m in group.finished])
    return f"{rates.mean():.0f}" if len(rates) and np.isfinite(rates).all() else NONE


def _seeds(group: Group) -> str:
    return str(group.done) if group.done == group.planned else f"{group.done} of {group.planned}"


def _finals(groups: Sequence[Group]) -> str:
    name = "success (%)" if groups[0].score == "success" else "return"
    head = ["arm", "seeds", f"offline {name}", f"final {name}", "final length (steps)", "updates/s"]
    rows = []
    for group in groups:
        rows.append([group.label, _seeds(group), *_ends(group).values(), _rate(group)])
    episodes = " or ".join(
        dict.fromkeys(str(g.members[0].run.setting("evaluation_episodes")) for g in groups)
    )
    return page.table(head, rows) + page.note(
        f"Over {episodes} greedy evaluation episodes of each seed: offline after the last offline update, "
        "final after the last update of the run, not the best. Runs that have not finished are left out. "
        "Updates of one process per second, summed over the seeds that it trains, without compilation; mean "
        "over the workdirs of the arm."
    )


def line(group: Group, number: int, field: str) -> Line | None:
    """The curve of an arm with its band; None if nothing was evaluated yet.

    Args:
      group: the arm.
      number: of its style.
      field: `success`, `return` or `length`.
    """
    curve = group.curve(field)
    there = np.isfinite(curve.value).any(axis=1)
    if not there.any():
        return None
    values = curve.value[there]
    band = statistics.interquartile_means(values.T)
    label = group.label if group.done == group.planned else f"{group.label}: {_seeds(group)} seeds finished"
    partial = np.isfinite(values).sum(axis=1) < group.planned
    return Line(label, number, curve.position[there], *band, partial)


def _training(groups: Sequence[Group], styles: Sequence[str]) -> str:
    panels: dict[str, list[Line]] = {}
    missing = []
    for group in groups:
        for field in (group.score, "length"):
            drawn = line(group, styles.index(group.label), field)
            if drawn is not None:
                panels.setdefault(QUANTITIES[field], []).append(drawn)
        if drawn is None:
            missing.append(group.label)
    text = "Interquartile mean over the seeds with its interval at each point. "
    if any(partial.any() for lines in panels.values() for *_, partial in lines):
        text += "Hollow points: not all seeds of the arm have come so far. "
    if missing:
        text += f"Not evaluated yet: {', '.join(missing)}."
    shown = page.picture(curves.learning_bands(panels), "Learning curves with bands") if panels else ""
    return shown + page.note(text)


def thresholds(scores: Sequence[np.ndarray], score: str) -> np.ndarray:
    """`[P]`, every score that occurs, between which a profile is constant, and both ends of the axis."""
    known = np.concatenate([np.ravel(values) for values in scores])
    ends = [0.0, 1.0] if score == "success" else [known.min() - 0.05 * max(float(np.ptp(known)), 1e-9)]
    return np.unique([*ends, *known])


def _profile(tables: dict[str, np.ndarray], score: str, styles: Sequence[str]) -> str:
    if not tables:
        return page.note("No run has finished yet.")
    limits = thresholds(list(tables.values()), score)
    whole = np.zeros(len(limits), bool)
    lines = [
        Line(label, styles.index(label), limits, *statistics.performance_profile(scores, limits), whole)
        for label, scores in tables.items()
    ]
    return page.picture(
        curves.profiles(lines, f"final {QUANTITIES[score]}"), "Performance profiles"
    ) + page.note("Share of the finished runs whose final score lies above the threshold, with its interval.")


def _tasks_together(sweep: Sweep, styles: Sequence[str]) -> str:
    tables, reasons = across(sweep.sections)
    parts = []
    if tables:
        rows = [
            [label, str(len(scores)), _text(interquartile_mean(100 * scores), scores.size, 1)]
            for label, scores in tables.items()
        ]
        parts = [page.table(["arm", "seeds on each task", "final success (%)"], rows)]
        parts.append(
            page.note(
                f"Interquartile mean over all seeds and tasks together: {', '.join(sweep.sections)}. The "
                "bootstrap draws seeds within each task."
            )
        )
        parts.append(_profile(tables, "success", styles))
    if reasons:
        parts.append(page.note(f"Missing here: {' '.join(reasons)}"))
    return "".join(parts)


def _open(sweep: Sweep) -> str:
    if not sweep.open:
        return page.note("Every job is done.")
    head = ["job", "state", "starts", "failures", "host", "evaluated up to", "last error"]
    rows = []
    for name, job, reached in sweep.open:
        counts = [NONE if count is None else str(count) for count in (job.starts, job.failures)]
        rows.append([name, job.state, *counts, job.host or NONE, reached or NONE, job.error or NONE])
    return page.table(head, rows, sentences=("evaluated up to", "last error"))


def _overview(sweep: Sweep) -> str:
    states = Counter(entry.job.state for entry in sweep.open)
    done = sweep.jobs - len(sweep.open)
    counts = ", ".join([f"{done} done", *(f"{count} {state}" for state, count in states.items())])
    text = page.note(f"{sweep.jobs} jobs: {counts}.")
    return text + "".join(page.warning(sentence) for sentence in differences(sweep))


def _origin(sweep: Sweep) -> str:
    runs = [m.run for m in sweep.members]
    commits = ", ".join(dict.fromkeys(run.commit for run in runs))
    versions = dict.fromkeys(", ".join(f"{name} {v}" for name, v in run.versions.items()) for run in runs)
    parts = [METHOD, *(f"Commit {commits}; {'; or '.join(versions)}." for _ in runs[:1])]
    for task, groups in sweep.sections.items():
        fields = ("dataset", "dataset_steps", "offline.updates", "online.env_steps")
        own = [[m.run.setting(f) for f in fields] for g in groups for m in g.members[:1]]
        columns = [" or ".join(dict.fromkeys(str(x) for x in column)) for column in zip(*own, strict=True)]
        dataset, rows, updates, steps = columns
        parts.append(
            f"{task}: dataset {dataset or 'of the task'} of {rows} transitions, {updates} offline updates, "
            f"then {steps} environment steps per seed."
        )
    return "".join(page.note(part) for part in parts)


def sections(sweep: Sweep) -> list[tuple[str, str]]:
    """Headings and HTML of a page, for `page.page`."""
    styles = list(dict.fromkeys(g.label for groups in sweep.sections.values() for g in groups))
    found = [("Jobs", _overview(sweep))]
    for task, groups in sweep.sections.items():
        ends = {group.label: group.result("final") for group in groups}
        finals = {label: values for label, values in ends.items() if values is not None}
        found += [
            (f"{task}: learning curves", _training(groups, styles)),
            (f"{task}: final results", _finals(groups)),
            (f"{task}: performance profiles", _profile(finals, groups[0].score, styles)),
        ]
    if sweep.sections:
        found.append(("All tasks together", _tasks_together(sweep, styles)))
    return [*found, ("Jobs that are not done", _open(sweep)), ("How the numbers were made", _origin(sweep))]
