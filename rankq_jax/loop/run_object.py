"""A run in Python: a plan, a task, its data and seeds, to be iterated over."""

from collections.abc import Iterator, Sequence

import jax

from rankq_jax.bounds import Interval, refuse, refuse_type
from rankq_jax.data.prepare import RewardTransform, prepare, with_preferences
from rankq_jax.loop.disk import on_disk
from rankq_jax.loop.event import Event
from rankq_jax.loop.plans import Plan
from rankq_jax.loop.run import events, initial
from rankq_jax.loop.state import RunState, Setup, begun_again
from rankq_jax.parallel import seeds_over_devices
from rankq_jax.specs import describe_observation, seen
from rankq_jax.tasks import Task
from rankq_jax.timing import Stopwatch
from rankq_jax.types import PREFERRED_ACTION, Episodes, Transition


def _check_spec(data: Transition, task: Task) -> None:
    rows = jax.tree.map(lambda leaf: leaf[0], (data.observation, data.action))
    found, needed = tuple(describe_observation(seen(part)) for part in rows), task.spec.words
    if found != needed:
        raise ValueError(
            f"data has observations of {found[0]} and actions of {found[1]}, task {task.name!r} of "
            f"{needed[0]} and {needed[1]}; load the dataset for this task"
        )


class Run:
    """A run that is iterated over: `for event in run`.

    It may be left at any event, and goes on from there when it is iterated over again: the rest is the same
    bit for bit. Only the newest iterator may be used. Processes of environments are given back at the end of
    the plan, at an error, and by `close`.

    Attributes:
      task: what is acted on.
      state: the newest whole state; consumed when the next event is asked for.
      setup: environments and data.
      layout: how the seeds lie on the devices.
      phases: those of the plan, on these devices.
    """

    def __init__(
        self,
        plan: Plan,
        task: Task,
        data: Transition,
        seeds: Sequence[int] = (0,),
        *,
        discount: float = 0.99,
        transform: RewardTransform | None = None,
        evaluation_episodes: int = 100,
        threads: int = 0,
        devices: Sequence[jax.Device] | None = None,
        acting: jax.Device | None = None,
        sequential: bool | None = None,
        ahead: bool | None = None,
        state: RunState | None = None,
        stopwatch: Stopwatch | None = None,
    ) -> None:
        """Makes environments, and the state before the first iteration.

        Args:
          plan: as from `offline_to_online`.
          task: what is acted on.
          data: the offline data, leaves `[N, ...]`.
          seeds: of the learners, distinct.
          discount: per environment step, that of `data`.
          transform: of every reward, that of `data`; None: the task's.
          evaluation_episodes: of each seed and evaluation.
          threads: of the environments; 0 uses every core.
          devices: that train; None: all of this process.
          acting: the device that policies act on; None: where they are trained.
          sequential: whether the seeds of a device are trained one after another; None: on CPU, or if each
            device has a single one.
          ahead: whether random numbers are drawn before the updates of a dispatch; None: on accelerators.
          state: of a run with the same plan, task, data and seeds, to go on from; None starts anew.
          stopwatch: what the parts of the run take.

        Raises:
          TypeError: if the plan, the task, the data or the seeds are something else.
          ValueError: if there is no seed, or one stands twice; if a number is out of bounds, or the data has
            not the sizes of the task.
        """
        refuse_type("plan", plan, Plan, "give what offline_to_online returns")
        refuse_type("task", task, Task, "give make_task(NAME)")
        refuse_type("data", data, Transition, "give what load_dataset returns")
        refuse_type("seeds", seeds, Sequence, "give the seeds themselves, e.g. range(3)")
        if not seeds or len(set(seeds)) < len(seeds):
            raise ValueError(f"seeds={list(seeds)}: must be distinct, and at least one")
        refuse("discount", discount, Interval(0.0, 1.0, above=True))
        refuse("evaluation_episodes", evaluation_episodes, Interval(1, integer=True))
        _check_spec(data, task)
        count, chosen = len(seeds), transform or task.transform

        def label(episodes: Episodes) -> Transition:
            prepared = prepare(episodes, chosen, discount)
            return with_preferences(prepared) if PREFERRED_ACTION in data.extras else prepared

        self.task = task
        self.layout = seeds_over_devices(count, devices or jax.local_devices())
        on_cpu = jax.default_backend() == "cpu"
        alone = count <= self.layout.devices
        in_turn = on_cpu or alone if sequential is None else sequential
        before = not on_cpu if ahead is None else ahead
        self.phases = plan.phases(self.layout, in_turn, on_disk(data), before)
        self.setup = Setup(
            env=task.environment(count * plan.train_envs, threads),
            evaluation_env=None if task.recorded else task.environment(count * evaluation_episodes, threads),
            dataset=data,
            prepare=label,
            capacity=plan.replay_capacity,
            seeds=list(seeds),
            acting=acting,
            measure=task.measure,
        )
        self._left = state is not None  # environments that cannot be saved are elsewhere by now
        self.state = initial(self.phases, self.setup, self.layout) if state is None else state
        self._stopwatch = stopwatch or Stopwatch()

    def __iter__(self) -> Iterator[Event]:
        """The events of the run from `state` on."""
        if self._left:
            self.state, self._left = begun_again(self.state, self.setup), False
        try:
            for event in events(self.phases, self.setup, self.layout, self.state, self._stopwatch):
                self.state = event.state
                yield event
        except GeneratorExit:  # left at an event
            raise
        except BaseException:
            self.close()
            raise
        self.close()

    def close(self) -> None:
        """Gives back the processes and windows of the environments.

        The run can still go on. Environments that cannot be saved then begin their running episodes again.
        """
        self.setup.close()
        self._left = True
