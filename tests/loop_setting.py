"""A whole run in miniature, for the tests of the loop."""

import jax
import pytest

from rankq_jax import loop, tasks
from rankq_jax.agents import rankq, sac
from rankq_jax.checkpoints import Checkpoints
from rankq_jax.data import mixture
from rankq_jax.data.episodes import cut_at_success, relabel
from rankq_jax.data.prepare import prepare
from rankq_jax.lifting import scan_updates, vmap_seeds, with_sampling
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


def make_setup(dataset, seeds):
    return loop.Setup(
        env=TASK.environment(len(seeds) * ROWS, 1),
        evaluation_env=TASK.environment(len(seeds) * EPISODES, 1),
        dataset=dataset,
        prepare=lambda episodes: prepare(episodes, TASK.transform, 0.99),
        capacity=1_500,
        seeds=seeds,
        measure=TASK.measure,
    )


def make_plan(layout, parallel_batch=False, overlap=False):
    parts = make_parts(cross_device_mean() if parallel_batch else None)

    def lifted(agent, block):
        agent = scan_updates(with_sampling(agent, mixture.uniform(16)), block)
        agent = averaged(agent) if parallel_batch else agent
        return distributed(vmap_seeds(agent, mixture.of_seed), layout, mixture.DEVICE_AXES)

    shared = dict(evaluate_every=2, checkpoint_every=1, overlap=overlap)
    return (
        Phase("offline", lifted(rankq(*parts), 5), 2, 0, 10, 0.0, 5, lambda steps: 1.0, 0, **shared),
        # another agent with the same state type, episodes that outlast a round, updates left over
        Phase("online", lifted(sac(*parts), 4), 4, 130, 0, 0.05, 4, lambda steps: 0.5, 100, **shared),
    )


class Recorded:
    """Follows a run, remembers what it tells, and takes the checkpoints of its plan.

    After `stop_after` of these it stops; it also stops at the first event for which `stop` says so, after a
    checkpoint. `wanted` says at which other events there is one.
    """

    def __init__(
        self, checkpoints=None, stop_after=None, stop=lambda event: False, wanted=lambda event: False
    ):
        self.metrics, self.evaluations, self.saved, self.stopped = [], [], 0, False
        self._checkpoints, self._stop_after = checkpoints, stop_after
        self._stop, self._wanted = stop, wanted

    def follow(self, events, setup, layout, state):
        """The state at the end, or where it was stopped."""
        for event in events:
            state = event.state
            if isinstance(event, loop.Updated):
                for pending in event.dispatches:
                    self.metrics.append((event.phase, pending.progress, pending.metrics))
            if isinstance(event, loop.Evaluated):
                self.evaluations.append((event.phase, event.progress, event.evaluation))
            planned = isinstance(event, loop.IterationEnd) and event.checkpoint
            self.stopped = self._stop(event)
            if planned or self.stopped or self._wanted(event):
                self.checkpoint(state, setup, layout, planned)
            if self.stopped or self.saved == self._stop_after:
                self.stopped = True
                events.close()
        return state

    def checkpoint(self, state, setup, layout, planned):
        parts = loop.to_save(state, setup, layout)
        self.saved += 1
        if self._checkpoints is not None:
            self._checkpoints.save(parts, {}, loop.replay_snapshot(state, layout), anchor=planned)


def follow(plan, setup, layout, recorded, state=None, stopwatch=None, **how):
    """The state at the end of a run from its start, or from `state`."""
    state = loop.initial(plan, setup, layout) if state is None else state
    return recorded.follow(loop.events(plan, setup, layout, state, stopwatch, **how), setup, layout, state)


def execute(dataset, seeds, devices=1):
    layout = seeds_over_devices(len(seeds), jax.devices()[:devices])
    plan, setup, recorded = make_plan(layout), make_setup(dataset, seeds), Recorded()
    with Stopwatch() as stopwatch:
        final = follow(plan, setup, layout, recorded, stopwatch=stopwatch)
    return layout, final, recorded, stopwatch


def go_on(folder, plan, setup, layout, recorded=None):
    """The state at the end of a run that goes on from the newest checkpoint below `folder`."""
    checkpoints = Checkpoints(folder)
    state = loop.initial(plan, setup, layout)
    found = checkpoints.restore(loop.portable(state, layout), setup.dataset)
    checkpoints.close()
    state = loop.restored(state, found.parts, found.rows, setup, layout)
    return follow(plan, setup, layout, recorded or Recorded(), state)
