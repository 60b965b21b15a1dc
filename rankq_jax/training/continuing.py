"""Which changes of its configuration a run can go on with, and why it cannot go on with the others.

Where a run is says its newest checkpoint. What has been done stays as it is, so a field may change as long as
it only speaks of what is to come. The phase that a run is in may be made longer, also when it is at its end,
if nothing in it depends on its length: the run then ends as one that was as long from the start.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rankq_jax.agents import reads
from rankq_jax.checkpoints import Checkpoints
from rankq_jax.configs import RunConfig
from rankq_jax.loop import Progress, Stage
from rankq_jax.training import shapes, workdir
from rankq_jax.training.restore import recorded
from rankq_jax.types import PREFERRED_ACTION

LENGTHS = {"offline": ("updates", "updates_per_round"), "online": ("env_steps", "env_steps_per_round")}
LENGTH_FIELDS = [f"{phase}.{length}" for phase, (length, _) in LENGTHS.items()]
# What may change even when nothing is left to train: it only names the run.
NAMES = ("name",)
DATA = (
    "dataset",
    "dataset_keys",
    "clip_actions",
    "dataset_reading",
    "dataset_steps",
    "dataset_seed",
    "keep_best",
)


class Stretch(NamedTuple):
    """A phase of a configuration: its name, its rounds, and the algorithm that trains in it."""

    name: str
    rounds: int
    algorithm: str


class Change(NamedTuple):
    """A changed configuration of a run, and where the run is.

    Attributes:
      old: the configuration that the run has had.
      new: the one that it is to go on with.
      before: the phases that the run has had.
      after: the phases that it is to have.
      progress: of its newest checkpoint.
    """

    old: RunConfig
    new: RunConfig
    before: list[Stretch]
    after: list[Stretch]
    progress: Progress

    def begun(self, phase: str) -> bool:
        """Whether anything of a phase has been done."""
        names = [stretch.name for stretch in self.before]
        if phase not in names:
            return False
        index, here = names.index(phase), self.progress
        return index < here.phase or (
            index == here.phase and (here.iteration > 0 or here.stage > Stage.COLLECT)
        )

    def over(self, phase: str) -> bool:
        """Whether nothing of a phase is left to do."""
        if not self.begun(phase):
            return False
        index = [stretch.name for stretch in self.before].index(phase)
        rounds = {stretch.name: stretch.rounds for stretch in self.after}.get(phase, 0)
        return index < self.progress.phase or self.progress.iteration >= rounds

    @property
    def finished(self) -> bool:
        """Whether nothing of the run is left to do."""
        return all(self.over(stretch.name) for stretch in self.after)


def stretches(config: RunConfig) -> list[Stretch]:
    """The phases of `build.plan_of`, for numbers that nobody has checked yet."""
    found = []
    values = config.flat()
    for name, (length, per_round) in LENGTHS.items():
        if values[f"{name}.{length}"] > 0:
            rounds = values[f"{name}.{length}"] // max(values[f"{name}.{per_round}"], 1)
            found.append(Stretch(name, rounds, values[f"{name}.algorithm"] or config.algorithm))
    return found


def refused(folder: Path, config: RunConfig, within: Path | None = None) -> dict[str, str]:
    """Fields that a configuration cannot change in the run of a folder, each with the reason.

    Args:
      folder: of the run, whose `config.json` is compared.
      config: what the run is to go on with.
      within: the folder whose checkpoints say where the run is, by default the same.

    Raises:
      InputError: if `config.json` cannot be read, or no checkpoint can.
    """
    within = within or folder
    old = recorded(folder)
    fields = workdir.changed(old, config)
    if not fields:
        return {}
    progress = place(within)
    if progress is not None:
        return reasons(Change(old, config, stretches(old), stretches(config), progress), fields)
    if not (within / "summary.json").exists():
        return {}  # nothing has been done yet that could not be done again
    return dict.fromkeys(fields, "the run is finished and has no checkpoint to go on from")


def unfit(folder: Path) -> dict[str, str]:
    """Settings of JAX that cannot change in the run of a folder, each with the reason."""
    why = "the state of the run has numbers of the other types"
    return {"jax_enable_x64": why} if place(folder) is not None else {}


def place(folder: Path) -> Progress | None:
    """Where the newest checkpoint of a run is; None if there is none.

    Raises:
      InputError: if there are, and none can be read.
    """
    if not (folder / "checkpoints").is_dir():
        return None
    checkpoints = Checkpoints(folder / "checkpoints", reading=True)
    try:
        parts = checkpoints.restore({"progress": Progress()}).parts
    except FileNotFoundError:
        return None
    finally:
        checkpoints.close()
    return Progress(*(np.asarray(number).item() for number in parts["progress"]))


def reasons(change: Change, fields: Sequence[str]) -> dict[str, str]:
    """Why fields cannot change, for those that cannot."""
    rules = (_of_the_whole, _of_algorithms, _of_lengths, _of_phases, _of_preferences)
    found = {}
    for field in fields:
        why = next((why for rule in rules if (why := rule(change, field))), "")
        if not why and change.finished and field not in (*NAMES, *LENGTH_FIELDS):
            why = "the run is finished, and nothing is left to do with it"
        if why:
            found[field] = why
    if not found:  # shapes of a state that goes on
        differing = shapes.differing(change.old, change.new, fields)
        found = dict.fromkeys(differing, "the state of the agent would have other shapes")
    return found


def _of_the_whole(change: Change, field: str) -> str:
    old, progress = change.old, change.progress
    if field == "task":
        return "what was learned on one task is not the state of another"
    if field in ("seed", "seeds"):
        seeds = ", ".join(str(old.seed + i) for i in range(old.seeds))
        return f"the state of the run has the shapes and the numbers of seed {seeds}"
    if field == "train_envs":
        return f"the state of the run has the shapes of {old.train_envs} environments for each seed"
    if field == "replay_capacity":
        had, has = (
            min(config.replay_capacity, max(config.online.env_steps, 1)) for config in (old, change.new)
        )
        if had < has and had < progress.env_steps:
            return "the rows before the newest ones are gone"
    if field == "evaluation_episodes":
        over = [stretch.name for stretch in change.before if change.over(stretch.name)]
        if over:
            return f"the phase {over[0]!r} is over, and was evaluated with the other number"
    return ""


def _of_algorithms(change: Change, field: str) -> str:
    if field not in ("algorithm", "offline.algorithm", "online.algorithm"):
        return ""
    then = {stretch.name: stretch.algorithm for stretch in change.after}
    for stretch in change.before:
        mine = field in ("algorithm", f"{stretch.name}.algorithm")
        if mine and change.begun(stretch.name) and then.get(stretch.name) != stretch.algorithm:
            return f"the phase {stretch.name!r} has begun with {stretch.algorithm!r}, whose state it has"
    return ""


def _of_lengths(change: Change, field: str) -> str:
    if field not in LENGTH_FIELDS:
        return ""
    phase = field.partition(".")[0]
    progress, names = change.progress, [stretch.name for stretch in change.before]
    later = [other for other in names if list(LENGTHS).index(other) > list(LENGTHS).index(phase)]
    for other in later:
        if change.begun(other):
            return f"the phase {other!r} has begun, which comes after it"
    falling = change.old.actor_cosine_decay and change.old.online.env_steps == 0
    if falling and change.begun(names[0]):
        return "the actor's learning rate has begun to fall, to 0 at the end of the other length"
    if not change.begun(phase):
        return ""
    if progress.phase >= len(names):
        return "the run was finished by an older version of the code, which has not kept what going on needs"
    made = progress.iteration + (progress.stage > Stage.COLLECT)
    if {stretch.name: stretch.rounds for stretch in change.after}.get(phase, 0) < made:
        per_round = change.old.flat()[f"{phase}.{LENGTHS[phase][1]}"]
        return f"{made} rounds of {per_round} have been begun"
    if reads(change.before[names.index(phase)].algorithm, PREFERRED_ACTION):
        return "the questions to the expert are spread over the length of the phase"
    return ""


def _of_phases(change: Change, field: str) -> str:
    phase, _, name = field.partition(".")
    if field.rpartition(".")[2] in ("decay_from", "decay_updates"):
        if any(phase in (s.name, s.algorithm) and change.begun(s.name) for s in change.before):
            kept = f"config.{field}={workdir.flat(change.old)[field]}"
            return f"the weight has begun to fall with the other; {kept} keeps it"
    if phase not in LENGTHS or field in LENGTH_FIELDS or not change.begun(phase):
        return ""
    if change.over(phase):
        return f"the phase {phase!r} is over"
    if name == LENGTHS[phase][1]:
        return "rounds of the other length have been made"
    inside = change.before[change.progress.phase].name == phase and change.progress.stage == Stage.UPDATE
    if name in ("updates_per_dispatch", "overlap") and inside:
        return "the newest checkpoint lies inside a round that has begun with the other"
    return ""


def _of_preferences(change: Change, field: str) -> str:
    asking = [s.name for s in change.before if reads(s.algorithm, PREFERRED_ACTION) and change.begun(s.name)]
    if asking and (field.startswith("preferences.") or field in DATA):
        return "the answers of the expert that the state holds belong to the other"
    return ""
