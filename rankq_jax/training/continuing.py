"""Which changes of its configuration a run can go on with, and why it cannot go on with the others.

Where a run is says its newest checkpoint. What has been done stays as it is, so a field may change as long as
it only speaks of what is to come. The phase that a run is in may be made longer, also when it is at its end,
if nothing in it depends on its length: the run then ends as one that was as long from the start.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from rankq_jax import configs
from rankq_jax.agents import reads
from rankq_jax.checkpoints import Checkpoints
from rankq_jax.configs import RunConfig, algorithms_of
from rankq_jax.configs.fields import nested
from rankq_jax.configs.phase_config import LENGTHS
from rankq_jax.configs.run_config import phases_of
from rankq_jax.errors import InputError
from rankq_jax.loop import Progress, Stage
from rankq_jax.training import build, encoding, workdir
from rankq_jax.training.agents import agent_of, networks_of
from rankq_jax.training.restore import recorded
from rankq_jax.types import PREFERRED_ACTION

LENGTH_FIELDS = [f"{phase}.{length}" for phase, length in LENGTHS.items()]
NAMES = ("name",)  # may change even when nothing is left to train
DATA = ("dataset", "dataset_keys", "clip_actions", "dataset_reading", "dataset_steps", "dataset_seed",
        "keep_best")  # fmt: skip
# What is settled when a run begins, and why it stays.
FIXED = {
    "task": "what was learned on one task is not the state of another",
    "horizon": "the episodes of the run have had the other time limit",
    "init_from": (weights := "the run has begun with other weights"),
    "init_parts": weights,
    "encoder_training": "the encoders of the run have been trained in the other way",
}


class Stretch(NamedTuple):
    """A phase of a configuration: its iterations, and the algorithm that trains in it."""

    iterations: int
    algorithm: str


class Change(NamedTuple):
    """A changed configuration of a run, and where the run is.

    Attributes:
      old: the configuration that the run has had.
      new: the one that it is to go on with.
      before: the phases that the run has had, by name, in their order.
      after: the phases that it is to have.
      progress: of its newest checkpoint.
    """

    old: RunConfig
    new: RunConfig
    before: dict[str, Stretch]
    after: dict[str, Stretch]
    progress: Progress

    def begun(self, phase: str) -> bool:
        """Whether anything of a phase has been done."""
        if phase not in self.before:
            return False
        index, here = list(self.before).index(phase), self.progress
        return index < here.phase or (
            index == here.phase and (here.iteration > 0 or here.stage > Stage.COLLECT)
        )

    def over(self, phase: str) -> bool:
        """Whether nothing of a phase is left to do."""
        if not self.begun(phase):
            return False
        earlier = list(self.before).index(phase) < self.progress.phase
        return earlier or self.progress.iteration >= self.planned(phase)

    def planned(self, phase: str) -> int:
        """The iterations that a phase is to have."""
        return self.after[phase].iterations if phase in self.after else 0


def stretches(config: RunConfig) -> dict[str, Stretch]:
    """The phases of `build.experiment`, for numbers that nobody has checked yet."""
    values, found = config.flat(), {}
    for name, algorithm in phases_of(config).items():
        length, one = f"{name}.{LENGTHS[name]}", f"{name}.{LENGTHS[name]}_per_iteration"
        found[name] = Stretch(values[length] // max(values[one], 1), algorithm)
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
    fields = workdir.changed(old := recorded(folder), config)
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
    finished, found = all(map(change.over, change.after)), {}
    for field in fields:
        why = next((why for rule in rules if (why := rule(change, field))), "")
        if not why and finished and field not in (*NAMES, *LENGTH_FIELDS):
            why = "the run is finished, and nothing is left to do with it"
        if why:
            found[field] = why
    if not found:  # shapes of a state that goes on
        differing = _of_other_shapes(change.old, change.new, fields)
        found = dict.fromkeys(differing, "the state of the agent would have other shapes")
    return found


def _of_the_whole(change: Change, field: str) -> str:
    old, progress = change.old, change.progress
    if field in FIXED:
        return FIXED[field]
    if field in ("seed", "seeds"):
        seeds = ", ".join(str(old.seed + i) for i in range(old.seeds))
        return f"the state of the run has the shapes and the numbers of seed {seeds}"
    if field == "train_envs":
        return f"the state of the run has the shapes of {old.train_envs} environments for each seed"
    if field == "replay_capacity":
        had, has = (build.capacity(config) for config in (old, change.new))
        if had < has and had < progress.env_steps:
            return "the rows before the newest ones are gone"
    if field == "evaluation_episodes" and (over := [name for name in change.before if change.over(name)]):
        return f"the phase {over[0]!r} is over, and was evaluated with the other number"
    return ""


def _of_algorithms(change: Change, field: str) -> str:
    for name, stretch in change.before.items():
        mine = field in ("algorithm", f"{name}.algorithm") and change.begun(name)
        if mine and (name not in change.after or change.after[name].algorithm != stretch.algorithm):
            return f"the phase {name!r} has begun with {stretch.algorithm!r}, whose state it has"
    return ""


def _of_lengths(change: Change, field: str) -> str:
    if field not in LENGTH_FIELDS:
        return ""
    order, phase, progress = list(LENGTHS), field.partition(".")[0], change.progress
    if later := next(filter(change.begun, order[order.index(phase) + 1 :]), ""):
        return f"the phase {later!r} has begun, which comes after it"
    falling = change.old.actor_cosine_decay and change.old.online.env_steps == 0
    if falling and change.begun("offline"):
        return "the actor's learning rate has begun to fall, to 0 at the end of the other length"
    if not change.begun(phase):
        return ""
    made = progress.iteration + (progress.stage > Stage.COLLECT)
    if change.planned(phase) < made:
        return f"{made} iterations of {change.old.flat()[f'{field}_per_iteration']} have been begun"
    if reads(change.before[phase].algorithm, PREFERRED_ACTION):
        return "the questions to the expert are spread over the length of the phase"
    return ""


def _of_phases(change: Change, field: str) -> str:
    phase, _, name = field.partition(".")
    if field.endswith((".decay_from", ".decay_updates")):
        if any(phase in (one, it.algorithm) and change.begun(one) for one, it in change.before.items()):
            kept = f"config.{field}={workdir.flat(change.old)[field]}"
            return f"the weight has begun to fall with the other; {kept} keeps it"
    if phase not in LENGTHS or field in LENGTH_FIELDS or not change.begun(phase):
        return ""
    if change.over(phase):
        return f"the phase {phase!r} is over"
    if name == f"{LENGTHS[phase]}_per_iteration":
        return "iterations of the other length have been made"
    inside = list(change.before)[change.progress.phase] == phase and change.progress.stage == Stage.UPDATE
    if name in ("updates_per_dispatch", "overlap") and inside:
        return "the newest checkpoint lies inside an iteration that has begun with the other"
    return ""


def _of_preferences(change: Change, field: str) -> str:
    asking = [one for one, it in change.before.items() if reads(it.algorithm, PREFERRED_ACTION)]
    if any(map(change.begun, asking)) and (field.startswith("preferences.") or field in DATA):
        return "the answers of the expert that the state holds belong to the other"
    return ""


def _of_other_shapes(old: RunConfig, new: RunConfig, fields: Sequence[str]) -> list[str]:
    """Those of the fields, which differ, that give the agent's state other shapes."""
    before, values, others = _shapes(old), old.flat(), workdir.flat(new)
    found = list[str]()
    if _shapes(new) == before:
        return found
    for field in fields:
        try:
            if _shapes(configs.recorded(nested({**values, field: others[field]}))) != before:
                found.append(field)
        except InputError:  # goes with another field that changes
            found.append(field)
    return found or list(fields)


def _shapes(config: RunConfig) -> str:
    """Structure, shapes and types of the state of one seed's agent, which no wrong value has."""
    configs.check(config)
    task = encoding.task_of(config)
    agent = agent_of(config, algorithms_of(config)[0], networks_of(config, task.spec), {})
    return str(jax.eval_shape(agent.init, jax.random.key(0), build.example(config, task)))
