"""Finished runs as the arms of a table: which of them may stand together."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rankq_jax.analysis import arms, results
from rankq_jax.analysis.arms import Arm, Member
from rankq_jax.analysis.results import Run
from rankq_jax.errors import InputError


def finished(folder: Path) -> Run:
    """Reads a finished run.

    Raises:
      InputError: if the run has not finished, or a file is missing or unreadable.
    """
    run = results.read(folder)
    if run.summary is None:
        raise InputError(f"{folder}: has not finished; run it to its end first.")
    return run


def has_online_phase(arm: Arm) -> bool:
    """Whether the arm stepped its environments, besides what it collected before all updates."""
    return bool(arm.run.summary and arm.run.summary["env_steps"] > arms.collected(arm.run))


def budget(arm: Arm) -> dict[str, Any]:
    """What the arms of a task have in common; a phase that this arm leaves out is left out here too."""
    fields = [*arms.BUDGET]
    fields += ["offline.updates"] if arm.result("offline") is not None else []
    fields += ["online.env_steps"] if has_online_phase(arm) else []
    fields += ["collect.env_steps"] if arms.collected(arm.run) else []
    seeds = {"seed": arm.run.setting("seed"), "seeds": sum(m.run.setting("seeds") for m in arm.members)}
    return {**{field: arm.run.setting(field) for field in fields}, **seeds}


def _joined(members: Sequence[Member]) -> list[list[Member]]:
    """Runs that differ in their seeds only together, where the seeds are consecutive and none is twice."""
    order = {m.run.folder: i for i, m in enumerate(members)}
    found: list[list[Member]] = []
    for parts in arms.alike(members, "dataset", "updates", "env_steps"):
        parts = sorted(parts, key=lambda m: m.seeds[:1])
        seeds = [seed for m in parts for seed in m.seeds]
        whole = seeds and seeds == list(range(seeds[0], seeds[0] + len(seeds)))
        found += [parts] if whole else [[m] for m in parts]
    return sorted(found, key=lambda parts: order[parts[0].run.folder])


def _arms(members: Sequence[Member]) -> list[Arm]:
    """Arms of one name get their folder beside it."""
    joined = _joined(members)
    counts = Counter(parts[0].run.name for parts in joined)
    runs = [(parts[0].run, parts) for parts in joined]
    return [Arm(r.name if counts[r.name] == 1 else f"{r.name} ({r.folder})", parts) for r, parts in runs]


def by_task(runs: Sequence[Run]) -> dict[str, list[Arm]]:
    """The arms of each task, both in the order of `runs`; runs of some seeds each of one arm are joined.

    Raises:
      InputError: if a folder is there twice, or two runs of a task have different budgets; names the
        folder and the field.
    """
    folders = [run.folder.resolve() for run in runs]
    for i, folder in enumerate(folders):
        if folder in folders[:i]:
            raise InputError(f"{runs[i].folder}: is given twice; leave one out.")
    tasks: dict[str, list[Member]] = {}
    for run in runs:
        tasks.setdefault(run.setting("task"), []).append(arms.member(run))
    sections = {task: _arms(members) for task, members in tasks.items()}
    for own in sections.values():
        first: dict[str, tuple[Any, Path]] = {}
        for arm in own:
            for field, value in budget(arm).items():
                theirs, folder = first.setdefault(field, (value, arm.run.folder))
                if value != theirs:
                    raise InputError(
                        f"{arm.run.folder}: field {field!r} is {value!r}, and {theirs!r} in {folder}; "
                        "the runs of a table have one budget."
                    )
    return sections


def _mixing(arm: Arm) -> str:
    if not has_online_phase(arm) or not (arm.run.summary or {})["dataset"]:
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
    if not arm.run.setting("preferences.expert", ""):
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
PER_ARM: Mapping[str, Callable[[Arm], str]] = {
    "updates per environment step": lambda arm: (
        f"{arm.run.setting('online.updates_per_step'):g}" if has_online_phase(arm) else ""
    ),
    "critic updates in one update": lambda arm: str(
        arm.run.setting(f"{arm.run.setting('algorithm')}.critic_updates", 1)
    ),
    "share of offline rows in online batches": _mixing,
    "share of trajectories kept": lambda arm: f"{arm.run.setting('keep_best', 1.0):g}",
    "hidden layers": _networks,
    "critic members": lambda arm: str(arm.run.setting("critics")),
    "batch": lambda arm: str(arm.run.setting("batch_size")),
    "questions to an expert": _questions,
}
