"""A dot, a word and a place: a task of images for small vision-language-action networks, in numpy."""

import contextlib

import jax
import numpy as np
import pytest

from rankq_jax import tasks
from rankq_jax.exporting import by_name
from rankq_jax.networks import VLA_PRESETS, VlaSizes
from rankq_jax.networks.vla.sizes import Stage
from rankq_jax.specs import vector
from rankq_jax.trained_policies import Weights, save_weights
from rankq_jax.training import agents, build, weights
from tests.image_tasks import IMAGE, SIZE, task_of, with_proprio

WORDS = 3
# Takes the place of `vla-xs`: fits the task, and compiles fast.
SIZES = VlaSizes(
    image=(SIZE, SIZE), stem=(Stage(8, 8, 8),), words=WORDS, vocabulary=9, width=8, mlp=8, depth=2,
    head_dim=4, expert_width=8, expert_mlp=8, token_readout=2, flat_readout=6,
    chunk=1, step_size=2, proprio=2,
)  # fmt: skip


def told(position):
    """The picture and the place of a dot, and one of two instructions, by where the dot is."""
    words = np.where(position[:, :1] > SIZE / 2, [[4, 5, 0]], [[6, 7, 8]]).astype(np.int32)
    return {**with_proprio(position), "instruction": words}


SPEC = {"image": IMAGE, "proprio": vector(2), "instruction": vector(WORDS, np.int32)}
TOLD = task_of("dot-told", told, SPEC)


@contextlib.contextmanager
def registered():
    """The task and the sizes in their registries, meanwhile."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(tasks.TASKS, TOLD.name, TOLD)
        patch.setitem(VLA_PRESETS, "vla-xs", SIZES)
        yield


def write_untrained(config, path, seed=3):
    """A file of the first parameters of a configuration of `flow_bc`."""
    built = build.experiment(config)
    agent = agents.agent_of(config, "flow_bc", built.networks, {})
    params = agent.params(agent.init(jax.random.key(seed), build.example(config, built.task)))
    arrays = {name: np.asarray(leaf) for name, leaf in by_name(params).items()}
    fields = {field: getattr(config, field) for field in weights.FIELDS}
    about = Weights(arrays, "flow_bc", config.task, *built.task.spec.words, fields, {"updates": 0})
    save_weights(about, path)
    return path
