"""A whole run in miniature, for the tests of the loop."""

import jax
import pytest

from rankq_jax import loop, tasks
from rankq_jax.agents import rankq, sac
from rankq_jax.checkpoints import Checkpoints
from rankq_jax.data import mixture
from rankq_jax.data.episodes import cut_at_success, relabel
from rankq_jax.data.prepare import prepare
from rankq_jax.lifting import repeated, sampled, seeded
from rankq_jax.parallel import averaged, cross_device_mean, distributed, seeds_over_devices
from rankq_jax.phases import Phase
from rankq_jax.timing import Stopwatch
from tests.conftest import make_parts

TASK = tasks.find("pointmaze-umaze")
ROWS, EPISODES = 2, 3


@pytest.fixture(scope="module")
def dataset():
    recorded = TASK.generators["waypoints"].make(3_000, 0, 1, lambda steps: None)
    return prepare(cut_at_success(relabel(recorded, TASK.success), TASK.success), TASK.transform, 0.99)


def make_world(dataset, seeds):
    return loop.World(
        env=TASK.environment(len(seeds) * ROWS, 1),
        evaluation_env=TASK.environment(len(seeds) * EPISODES, 1),
        dataset=dataset,
        prepare=lambda episodes: prepare(episodes, TASK.transform, 0.99),
        capacity=1_500,
        seeds=seeds,
    )


def make_plan(layout, parallel_batch=False, overlap=False):
    parts = make_parts(cross_device_mean() if parallel_batch else None)

    def lifted(agent, block):
        agent = repeated(sampled(agent, mixture.uniform(16)), block)
        agent = averaged(agent) if parallel_batch else agent
        return distributed(seeded(agent, mixture.of_seed), layout, mixture.DEVICE_AXES)

    shared = dict(evaluate_every=2, checkpoint_every=1, overlap=overlap)
    return (
        Phase("offline", lifted(rankq(*parts), 5), 2, 0, 10, 0.0, 5, lambda steps: 1.0, 0, **shared),
        # another agent with the same state type, episodes that outlast a round, updates left over
        Phase("online", lifted(sac(*parts), 4), 4, 130, 0, 0.05, 4, lambda steps: 0.5, 100, **shared),
    )


class Recorded:
    """A listener that remembers everything; after `stop_after` checkpoints it raises."""

    def __init__(self, checkpoints=None, stop_after=None, stop=lambda: False):
        self.metrics, self.evaluations, self.saved = [], [], 0
        self._checkpoints, self._stop_after = checkpoints, stop_after
        self.listener = loop.Listener(
            lambda phase, progress, values: self.metrics.append((phase, progress, values)),
            lambda progress, ended: None,
            lambda phase, progress, result, last: self.evaluations.append((phase, progress, result)),
            self.checkpoint,
            stop=stop,
        )

    def checkpoint(self, parts, held, planned):
        self.saved += 1
        if self._checkpoints is not None:
            self._checkpoints.save(parts, {}, held, anchor=planned)
        if self.saved == self._stop_after:
            raise KeyboardInterrupt


def execute(dataset, seeds, devices=1):
    layout = seeds_over_devices(len(seeds), jax.devices()[:devices])
    plan, world, recorded = make_plan(layout), make_world(dataset, seeds), Recorded()
    with Stopwatch() as stopwatch:
        state = loop.initial(plan, world, layout)
        final = loop.run(plan, world, layout, state, recorded.listener, stopwatch)
    return layout, final, recorded, stopwatch


def go_on(folder, plan, world, layout, listener=None):
    """The state at the end of a run that goes on from the newest checkpoint below `folder`."""
    checkpoints = Checkpoints(folder)
    state = loop.initial(plan, world, layout)
    found = checkpoints.restore(loop.portable(state, layout), world.dataset)
    checkpoints.close()
    state = loop.restored(state, found.parts, found.rows, world, layout)
    return loop.run(plan, world, layout, state, listener or Recorded().listener, Stopwatch())
