"""Gym-MuJoCo and its data in D4RL's recipe: one environment for each robot, five tasks by their data."""

from collections.abc import Mapping
from types import MappingProxyType

import gymnasium
import numpy as np

from rankq_jax.data.episodes import concatenate
from rankq_jax.data.generate import policy
from rankq_jax.data.prepare import RewardTransform
from rankq_jax.envs.batch import batch_env
from rankq_jax.envs.gym_mujoco import ROBOTS, Robot, simulate
from rankq_jax.envs.rollout import Act
from rankq_jax.envs.streams import stream_seed
from rankq_jax.tasks.collection import Behaviour, noisy, scripted
from rankq_jax.tasks.task import Generator, Progress, Task
from rankq_jax.types import Episodes

STEPS = 1_000_000  # of a behavior (D4RL code)
SHARD_STEPS = 100_000
NOISE = 0.1  # standard deviation of the action noise, in place of that of SAC's policy in D4RL
RANDOM = "random"
# The behaviors of each kind of data, in equal shares.
BEHAVIORS = {
    "random": (RANDOM,),
    "medium": ("medium",),
    "medium-expert": ("medium", "expert"),
    "expert": ("expert",),
}
KINDS = ("random", "medium", "medium-replay", "medium-expert", "expert")  # of D4RL

# Returns that a score of 0 and of 100 stand for: of a random policy and of SAC (D4RL code, infos.py). Beside
# them those measured here in the v5 environments: of uniform actions and of the expert that comes with it.
D4RL = {
    "halfcheetah": (-280.178953, 12135.0),  # -286 and 4752
    "hopper": (-20.272305, 3234.3),  # 18 and 2813
    "walker2d": (1.629008, 4592.3),  # 2 and 2938
}


def _uniform(action_size: int, seed: int) -> Behaviour:
    """Actions drawn uniformly from the box."""
    random = np.random.default_rng(seed)

    def act(observation: np.ndarray, t: int) -> np.ndarray:
        return random.uniform(-1.0, 1.0, (len(observation), action_size)).astype(np.float32)

    def behaviour(rows: int, elapsed: np.ndarray) -> Act:
        return act

    return behaviour


def _generate(
    name: str, behaviors: tuple[str, ...], steps: int, seed: int, threads: int, progress: Progress
) -> Episodes:
    """Whole episodes of each behavior, one behavior after the other."""
    simulation, parts = simulate(ROBOTS[name]), list[Episodes]()
    for index, behavior in enumerate(behaviors):
        own = seed if index == 0 else stream_seed(seed, index, 1, 1)
        acting = (
            _uniform(simulation.model.nu, own)
            if behavior == RANDOM
            else noisy(policy.load(f"{name}_{behavior}"), NOISE, own)
        )
        parts.append(scripted(simulation, acting, -(-steps // len(behaviors)), own, threads, progress))
    return concatenate(parts)


def _generators(name: str, robot: Robot, kind: str) -> Mapping[str, Generator]:
    """Where the package has the policies that the data is of; the replay of a training has no generator."""
    behaviors = BEHAVIORS.get(kind, ())
    if not behaviors or not all(one == RANDOM or policy.exists(f"{name}_{one}") for one in behaviors):
        return MappingProxyType({})
    acting = " and of ".join(f"the {one} policy" for one in behaviors)
    made = Generator(
        steps=STEPS * len(behaviors),
        shard_steps=SHARD_STEPS,
        make=lambda *arguments: _generate(name, behaviors, *arguments),
        algorithm=f"episodes of {acting}, action noise {NOISE if kind != RANDOM else 'uniform'}",
        env_specs=lambda: (gymnasium.spec(robot.gymnasium_id),) * 2,
    )
    return MappingProxyType({"policy": made})


def task(name: str, kind: str) -> Task:
    """`ROBOT-KIND`: the raw reward is learned from; the kind says what the data is of."""
    robot = ROBOTS[name]
    return Task(
        name=f"{name}-{kind}",
        domain="mujoco",
        environment=lambda rows, threads: batch_env(simulate(robot), rows, threads),
        transform=RewardTransform(scale=1.0, bias=0.0, failure=None),
        success=None,
        rewards=(0.0, 0.0),
        generators=_generators(name, robot, kind),
        reference=D4RL[name],
        reference_of="D4RL",
    )


TASKS = [task(name, kind) for name in ROBOTS for kind in KINDS]
