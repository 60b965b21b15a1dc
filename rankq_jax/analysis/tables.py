"""Comparisons as Markdown: one section per task, one row per arm."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from rankq_jax.analysis import results
from rankq_jax.analysis.comparison import Arm, by_task
from rankq_jax.analysis.names import block, code, markdown
from rankq_jax.analysis.results import Run
from rankq_jax.analysis.statistics import Estimate, interquartile_mean, probability_of_improvement
from rankq_jax.tasks.task import SUCCESS

NONE = "-"
PERTURBED_ACTIONS = 4  # that RankQ ranks against each data action
ACTION_SETS = 3  # of CQL: uniform, and from the policy at this state and at the next


def how_to_read(reference: str) -> str:
    """What every column means, as a list."""
    named = markdown(reference)
    points = (
        "*offline* and *final success*: the percentage of greedy evaluation episodes that reach the goal. "
        "*Offline* is after the last offline update, *final* after the last update of the run. Both are the "
        "last value, not the best. The number is the interquartile mean over the seeds. Its 95 % interval is "
        "a stratified bootstrap over the seeds ([arXiv 2108.13264](https://arxiv.org/abs/2108.13264)). The "
        "value of each seed follows. With three seeds the interquartile mean is the mean. Its interval then "
        f"reaches from the lowest seed to the highest. An arm without an offline phase has `{NONE}`. The "
        "final value of an arm without an online phase is its offline value. A task without a success has "
        "*offline* and *final return*: the sum of raw rewards of an episode.",
        f"*P({named} better)*: the probability that a seed of {named} ends higher than a seed of this arm. "
        "Ties count half. Its 95 % interval follows. 0.50 is no difference.",
        "*final length*: the steps of a final evaluation episode. The mean over the seeds comes first, then "
        "the mean of each seed. A failed episode counts with its full length.",
        "*updates/s*: updates of the agent per second, without compilation. They are summed over the seeds, "
        "which train side by side in one program. An update with several critic updates counts once.",
        "*wall*: seconds of all seeds together, with compilation, collection and evaluation.",
    )
    end = f"Every arm that finished is listed, in the order of the runs. Results against {named} stay in."
    return "\n".join(f"- {point}" for point in points) + f"\n\n{end}"


def _interval(estimate: Estimate, digits: int) -> str:
    value, low, high = (f"{x:.{digits}f}" for x in estimate)
    return f"{value} [{low}, {high}]"


def _each(values: np.ndarray, digits: int = 0) -> str:
    return f"({', '.join(f'{v:.{digits}f}' for v in values)})"


def _score(arm: Arm, end: str) -> str:
    """Success in percent, or the return."""
    values = arm.score(end)
    if values is None:
        return NONE
    scale, digits = (100, 0) if arm.measure == SUCCESS else (1, 1)
    return f"{_interval(interquartile_mean(scale * values), digits)} {_each(scale * values, digits)}"


def _length(steps: np.ndarray | None) -> str:
    return NONE if steps is None else f"{np.mean(steps):.0f} {_each(steps)}"


def _improvement(reference: Arm | None, arm: Arm) -> str:
    if arm is reference:
        return ""
    other = arm.score("final")
    ours = None if reference is None else reference.score("final")
    if ours is None or other is None:
        return NONE
    return _interval(probability_of_improvement(ours, other), 2)


def _row(arm: Arm, reference: Arm | None) -> str:
    cells = [
        markdown(arm.label),
        _score(arm, "offline"),
        _score(arm, "final"),
        _improvement(reference, arm),
        _length(arm.per_seed("final_episode_length")),
        f"{results.updates_per_second(arm.run):.0f}",
        f"{arm.summary['wall_seconds']['total']:.0f}",
    ]
    return f"| {' | '.join(cells)} |"


def _updates_per_step(arm: Arm) -> str:
    return f"{arm.run.setting('online.updates_per_step'):g}" if arm.has_online_phase else ""


def _critic_updates(arm: Arm) -> str:
    return str(arm.run.optional(f"{arm.run.setting('algorithm')}.critic_updates", 1))


def _mixing(arm: Arm) -> str:
    if not arm.has_online_phase:
        return ""
    online = {name: arm.run.setting(f"online.mixing_{name}") for name in ("ratio", "ratio_final", "anneal")}
    if online["ratio"] < 0:
        return "as in one buffer"
    if online["anneal"] <= 0:
        return f"{online['ratio']:g}"
    return f"{online['ratio']:g} to {online['ratio_final']:g} over {online['anneal']} steps"


def _networks(arm: Arm) -> str:
    actor, critic = ("-".join(map(str, arm.run.setting(f"{net}_hidden"))) for net in ("actor", "critic"))
    return actor if actor == critic else f"actor {actor} and critic {critic}"


def _questions(arm: Arm) -> str:
    """How an expert was asked, for the agents that ask one."""
    if not arm.run.optional("preferences.expert", ""):
        return ""
    names = ("all_at_once", "query_interval", "query_limit", "flipped_answers", "rank_net")
    asked = {name: arm.run.setting(f"preferences.{name}") for name in names}
    spacing = (
        f"at once after {asked['all_at_once']} updates"
        if asked["all_at_once"]
        else f"every {asked['query_interval']} updates"
    )
    how = f"{asked['query_limit'] or 'of every row'} {spacing}"
    how += f", {asked['flipped_answers']:.0%} of the answers wrong" if asked["flipped_answers"] else ""
    return how + ("" if asked["rank_net"] and asked["query_limit"] else ", no RankNet")


# What an arm may choose for itself; empty where it means nothing for an arm.
_PER_ARM: Mapping[str, Callable[[Arm], str]] = {
    "updates per environment step": _updates_per_step,
    "critic updates in one update": _critic_updates,
    "share of offline rows in online batches": _mixing,
    "share of trajectories kept": lambda arm: f"{arm.run.optional('keep_best', 1.0):g}",
    "hidden layers": _networks,
    "critic members": lambda arm: str(arm.run.setting("critics")),
    "batch": lambda arm: str(arm.run.setting("batch_size")),
    "questions to an expert": _questions,
}


def _by_arm(arms: Sequence[Arm], text: Callable[[Arm], str]) -> str:
    """What most arms have, and in brackets those that differ."""
    texts = {arm.label: text(arm) for arm in arms if text(arm)}
    if not texts:
        return ""
    usual = Counter(texts.values()).most_common(1)[0][0]
    others = [f"{markdown(label)}: {value}" for label, value in texts.items() if value != usual]
    return usual + (f" ({'; '.join(others)})" if others else "")


def _budget(arms: Sequence[Arm]) -> str:
    budget = {field: value for arm in arms for field, value in arm.budget.items()}
    seeds = ", ".join(map(str, arms[0].summary["seeds"]))
    parts = [
        f"Budget: dataset {code(str(arms[0].summary['dataset']))} of {budget['dataset_steps']} transitions, "
        f"{budget.get('offline.updates', 0)} offline updates, then {budget.get('online.env_steps', 0)} "
        f"environment steps per seed; seeds {seeds}; {budget['evaluation_episodes']} evaluation episodes "
        "per seed."
    ]
    for phase, field in (("offline", "offline.updates"), ("online", "online.env_steps")):
        missing = [markdown(arm.label) for arm in arms if field not in arm.budget]
        if missing:
            parts.append(f"Without an {phase} phase: {', '.join(missing)}.")
    chosen = {what: _by_arm(arms, text) for what, text in _PER_ARM.items()}
    listed = "; ".join(f"{what} {values}" for what, values in chosen.items() if values)
    return " ".join([*parts, f"Beside that: {listed}."])


def _evaluations(arm: Arm) -> str:
    """How many critic values one update takes per row and critic member, and for what."""
    name = arm.label
    if name == "rankq":
        extra, what = PERTURBED_ACTIONS, "perturbed actions"
    else:
        extra, what = ACTION_SETS * arm.run.setting(f"{name}.samples"), "sampled actions"
    target = arm.run.setting(f"{name}.backup_samples")
    return f"{name} {extra + target + 2} ({extra} {what}, {target} target, 1 actor, 1 data action)"


def _cost(arms: Sequence[Arm]) -> str:
    """Time per update of CQL and Cal-QL over that of RankQ; empty if either is missing."""
    named = {arm.label: arm for arm in arms}
    compared = [name for name in ("cql", "cal_ql") if name in named]
    if "rankq" not in named or not compared:
        return ""
    rate = {name: results.updates_per_second(named[name].run) for name in ("rankq", *compared)}
    measured = [
        f"{name} {rate['rankq'] / rate[name]:.1f}" if rate[name] else f"{name} {NONE}" for name in compared
    ]
    return (
        f"Measured time per update over that of rankq: {', '.join(measured)}. Critic evaluations per row and "
        f"critic member in one update: {'; '.join(_evaluations(named[name]) for name in rate)}."
    )


def section(task: str, arms: Sequence[Arm], reference: str) -> str:
    """Heading, budget, table and cost of the arms of one task.

    Args:
      task: its name.
      arms: of one budget, in the order of the rows.
      reference: label of the arm that the others are compared with; without it that column is empty.
    """
    chosen = next((arm for arm in arms if arm.label == reference), None)
    score = "success (%)" if arms[0].measure == SUCCESS else arms[0].measure.field
    named = markdown(reference)
    table = [
        f"| arm | offline {score} | final {score} | P({named} better) | final length (steps) | updates/s "
        "| wall (s) |",
        "|---|---|---|---|---|---|---|",
        *(_row(arm, chosen) for arm in arms),
    ]
    alone = f"No single arm named {named} is here, so none is compared with it."
    parts = [f"## {markdown(task)}", _budget(arms), "\n".join(table), "" if chosen else alone, _cost(arms)]
    return "\n\n".join(part for part in parts if part)


def document(runs: Sequence[Run], command: str, reference: str, notes: Sequence[str], machine: str) -> str:
    """A whole Markdown document about finished runs.

    Args:
      runs: of one or several tasks, in the order of the rows.
      command: that made the runs.
      reference: name of the run that the others are compared with.
      notes: remarks under the tables, themselves Markdown.
      machine: that it is written on.

    Raises:
      InputError: if a run is there twice, or budgets differ within a task.
    """
    sections = by_task(runs)
    commits = dict.fromkeys(markdown(run.commit) for run in runs)
    versions = dict.fromkeys(", ".join(f"{name} {v}" for name, v in run.versions.items()) for run in runs)
    paragraphs = [
        f"# {', '.join(map(markdown, sections))}",
        f"Written by\n\n{block(command)}",
        how_to_read(reference),
        *(section(task, arms, reference) for task, arms in sections.items()),
        "## How the runs were made",
        *notes,
        f"Written on {machine}. Commit {', '.join(commits)}. {'; '.join(map(markdown, versions))}.",
    ]
    return "\n\n".join(paragraphs) + "\n"
