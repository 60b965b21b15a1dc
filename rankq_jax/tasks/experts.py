"""What the experts are trained on whose data other tasks come with: dense rewards, no end at a success."""

from collections.abc import Callable

from rankq_jax.data.generate import policy
from rankq_jax.data.prepare import RewardTransform
from rankq_jax.envs import adroit, ant, gym_mujoco
from rankq_jax.envs.adroit import HANDS, Hand
from rankq_jax.envs.batch import Simulation, batch_env
from rankq_jax.tasks.hands import EXPERT_EPISODES, LONGEST, demonstrations, limits
from rankq_jax.tasks.task import Generator, Progress, Task
from rankq_jax.types import Episodes


def _task(name: str, simulate: Callable[[], Simulation], scale: float) -> Task:
    return Task(
        name=f"expert-{name}",
        domain="experts",
        environment=lambda rows, threads: batch_env(simulate(), rows, threads),
        transform=RewardTransform(scale=scale, bias=0.0, failure=None),
        success=None,
        rewards=(0.0, 0.0),
    )


def _hand(name: str, hand: Hand) -> Task:
    def simulate() -> Simulation:
        return adroit.simulate(hand, dense=True, terminates=False)

    def generate(steps: int, seed: int, threads: int, progress: Progress) -> Episodes:
        return demonstrations(name, simulate(), steps, seed, threads, progress)

    made = Generator(
        steps=EXPERT_EPISODES * hand.horizon,
        shard_steps=1_000_000,
        make=generate,
        algorithm="successful episodes of a trained expert",
        env_specs=lambda: adroit.env_specs(hand),
    )
    known = policy.exists(f"{name}_expert")
    return _task(name, simulate, scale=0.05)._replace(
        generators={"demonstrations": made} if known else {},
        limits=limits(hand),
        longest=LONGEST * hand.horizon,
    )


def _robot(name: str) -> Task:
    return _task(name, lambda: gym_mujoco.simulate(gym_mujoco.ROBOTS[name]), scale=1.0)


TASKS = [
    _task("ant", ant.run_where_told, scale=10.0),
    *(_hand(*item) for item in HANDS.items()),
    *map(_robot, gym_mujoco.ROBOTS),
]
