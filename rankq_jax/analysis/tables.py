"""Comparisons as Markdown: one section per task, one row per arm."""

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from rankq_jax.analysis import critics
from rankq_jax.analysis.arms import Arm, ends_of
from rankq_jax.analysis.comparison import PER_ARM, budget, by_task
from rankq_jax.analysis.names import block, code, markdown
from rankq_jax.analysis.results import Run
from rankq_jax.analysis.statistics import interquartile_mean, probability_of_improvement
from rankq_jax.tasks import Measure

NONE = "-"
PERTURBED_ACTIONS = 4  # that RankQ ranks against each data action
ACTION_SETS = 3  # of CQL: uniform, and from the policy at this state and at the next


def how_to_read(reference: str, others: Sequence[Measure] = (), more: Sequence[str] = ()) -> str:
    """What every column means, as a list; `others` have a column beside the score and the length.

    `more` is about the columns of other tables.
    """
    named = markdown(reference)
    points = (
        "*offline* and *final success*: the percentage of greedy evaluation episodes that reach the goal. "
        "*Offline* is after the last offline update, *final* after the last update of the run. Both are the "
        "last value, not the best. The number is the interquartile mean over the seeds. Its 95 % interval is "
        "a stratified bootstrap over the seeds ([arXiv 2108.13264](https://arxiv.org/abs/2108.13264)). The "
        "value of each seed follows. With three seeds the interquartile mean is the mean. Its interval then "
        f"reaches from the lowest seed to the highest. An arm without an offline phase has `{NONE}`. The "
        "final value of an arm without an online phase is its offline value. A task without a success has "
        "*offline* and *final return*: the sum of raw rewards of an episode. *Initial* is before "
        "all updates.",
        f"*P({named} better)*: the probability that a seed of {named} ends higher than a seed of this arm. "
        "Ties count half. Its 95 % interval follows. 0.50 is no difference.",
        "*final length*: the steps of a final evaluation episode. The mean over the seeds comes first, then "
        "the mean of each seed. A failed episode counts with its full length.",
        *(f"*final {m.words}*: the {m.quantity} of a final episode, in the same way." for m in others),
        "*updates/s*: updates of the agent per second, without compilation. They are summed over the seeds, "
        "which train side by side in one program. An update with several critic updates counts once.",
        "*wall*: seconds of all seeds together, with compilation, collection and evaluation.",
        *more,
    )
    end = f"Every arm that finished is listed, in the order of the runs. Results against {named} stay in."
    return "\n".join(f"- {point}" for point in points) + f"\n\n{end}"


def _result(arm: Arm, end: str, measure: Measure) -> str:
    """What the seeds come to together, and each seed; shares in whole percent.

    That is the interquartile mean of the score with its interval, and the mean of the other measures.
    """
    values = arm.result(end, measure)
    if values is None:
        return NONE
    digits, scaled = 0 if measure.unit == "%" else measure.digits, measure.scale * values
    judged = measure == arm.score
    value = interquartile_mean(scaled).text(digits) if judged else f"{np.mean(scaled):.{digits}f}"
    return f"{value} ({', '.join(f'{v:.{digits}f}' for v in scaled)})"


def _improvement(reference: Arm | None, arm: Arm) -> str:
    if arm is reference:
        return ""
    other = arm.result("final")
    ours = None if reference is None else reference.result("final")
    if ours is None or other is None:
        return NONE
    sign = arm.score.sign
    return probability_of_improvement(sign * ours, sign * other).text(2)


def _others(arms: Sequence[Arm]) -> list[Measure]:
    """Beside the score, what any of the arms was measured by."""
    return [m for m in arms[0].measures[1:] if any(arm.result("final", m) is not None for arm in arms)]


def _table(arms: Sequence[Arm], named: Arm | None, reference: str) -> str:
    """One row for each arm."""
    score, others = arms[0].score, _others(arms)
    head = [
        "arm", *(f"{end} {score.head}" for end in ends_of(arms)), f"P({markdown(reference)} better)",
        *(f"final {measure.head}" for measure in others), "updates/s", "wall (s)",
    ]  # fmt: skip
    rows = [
        [
            markdown(arm.label),
            *(_result(arm, end, score) for end in ends_of(arms)),
            _improvement(named, arm),
            *(_result(arm, "final", measure) for measure in others),
            f"{arm.updates_per_second:.0f}",
            f"{arm.total('total'):.0f}",
        ]
        for arm in arms
    ]
    lines = [f"| {' | '.join(row)} |" for row in (head, *rows)]
    return "\n".join([lines[0], "|---" * len(head) + "|", *lines[1:]])


def _by_arm(arms: Sequence[Arm], text: Callable[[Arm], str]) -> str:
    """What most arms have, and in brackets those that differ."""
    texts = {arm.label: text(arm) for arm in arms if text(arm)}
    if not texts:
        return ""
    usual = Counter(texts.values()).most_common(1)[0][0]
    others = [f"{markdown(label)}: {value}" for label, value in texts.items() if value != usual]
    return usual + (f" ({'; '.join(others)})" if others else "")


def _budget(arms: Sequence[Arm]) -> str:
    budgets = {arm.label: budget(arm) for arm in arms}
    shared = {field: value for one in budgets.values() for field, value in one.items()}
    seeds = ", ".join(str(seed) for m in arms[0].members for seed in m.seeds)
    dataset = (arms[0].run.summary or {})["dataset"]
    first, rows = shared.get("collect.env_steps", 0), shared["dataset_steps"]
    parts = [
        "Budget: "
        + (f"dataset {code(dataset)} of {rows} transitions, " if dataset else "no dataset, ")
        + (f"{first} environment steps per seed collected before all updates, " if first else "")
        + f"{shared.get('offline.updates', 0)} offline updates, then {shared.get('online.env_steps', 0)} "
        f"environment steps per seed; seeds {seeds}; {shared['evaluation_episodes']} evaluation episodes "
        "per seed."
    ]
    for phase, field in (("offline", "offline.updates"), ("online", "online.env_steps")):
        missing = [markdown(label) for label, one in budgets.items() if field not in one]
        if missing:
            parts.append(f"Without an {phase} phase: {', '.join(missing)}.")
    chosen = {what: _by_arm(arms, text) for what, text in PER_ARM.items()}
    listed = "; ".join(f"{what} {values}" for what, values in chosen.items() if values)
    return " ".join([*parts, f"Beside that: {listed}."])


def _evaluations(arm: Arm) -> str:
    """How many critic values one update takes per row and critic member, and for what."""
    name = arm.label
    if name == "rankq":
        extra, what = PERTURBED_ACTIONS, "perturbed actions"
    else:
        sets = ACTION_SETS - (not arm.run.setting(f"{name}.next_samples", True))
        extra, what = sets * arm.run.setting(f"{name}.samples"), "sampled actions"
    target = arm.run.setting(f"{name}.backup_samples")
    return f"{name} {extra + target + 2} ({extra} {what}, {target} target, 1 actor, 1 data action)"


def _cost(arms: Sequence[Arm]) -> str:
    """Time per update of CQL and Cal-QL over that of RankQ; empty if either is missing."""
    named = {arm.label: arm for arm in arms}
    compared = [name for name in ("cql", "cal_ql") if name in named]
    if "rankq" not in named or not compared:
        return ""
    rate = {name: named[name].updates_per_second for name in ("rankq", *compared)}
    measured = [
        f"{name} {rate['rankq'] / rate[name]:.1f}" if rate[name] else f"{name} {NONE}" for name in compared
    ]
    return (
        f"Measured time per update over that of rankq: {', '.join(measured)}. Critic evaluations per row and "
        f"critic member in one update: {'; '.join(_evaluations(named[name]) for name in rate)}."
    )


def section(task: str, arms: Sequence[Arm], reference: str) -> str:
    """Heading, budget, table and cost of the arms of one task.

    Without an arm labeled `reference` the column of the comparison is empty.
    """
    chosen = next((arm for arm in arms if arm.label == reference), None)
    alone = f"No single arm named {markdown(reference)} is here, so none is compared with it."
    results, said = _table(arms, chosen, reference), critics.table(arms)
    parts = [f"## {markdown(task)}", _budget(arms), results, "" if chosen else alone, _cost(arms), said]
    return "\n\n".join(part for part in parts if part)


def document(runs: Sequence[Run], command: str, reference: str, notes: Sequence[str], machine: str) -> str:
    """A whole Markdown document about finished runs.

    Args:
      runs: those of one or several tasks, in the order of the rows.
      command: the one that made the runs.
      reference: name of the run that the others are compared with.
      notes: remarks under the tables, themselves Markdown.
      machine: the one that it is written on.

    Raises:
      InputError: if a run is there twice, or budgets differ within a task.
    """
    sections = by_task(runs)
    commits = dict.fromkeys(markdown(run.commit) for run in runs)
    versions = dict.fromkeys(", ".join(f"{name} {v}" for name, v in run.versions.items()) for run in runs)
    others = dict.fromkeys(m for arms in sections.values() for m in _others(arms))
    written = [section(task, arms, reference) for task, arms in sections.items()]
    looked_at = any(critics.SWITCH in text for text in written)
    paragraphs = [
        f"# {', '.join(map(markdown, sections))}",
        f"Written by\n\n{block(command)}",
        how_to_read(
            reference, [m for m in others if m.name != "length"], critics.HOW_TO_READ if looked_at else ()
        ),
        *written,
        "## How the runs were made",
        *notes,
        f"Written on {machine}. Commit {', '.join(commits)}. {'; '.join(map(markdown, versions))}.",
    ]
    return "\n\n".join(paragraphs) + "\n"
