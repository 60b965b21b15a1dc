"""An environment of your own: a point on a line that is to reach a place, in numpy, and data of it.

    python examples/own_environment.py

`register_task` gives it a name. From the folder of this file every command finds it, for example
`rankq train --import=own_environment --config=iql:own-line,smoke`.
"""

import numpy as np

import rankq_jax as rq
from rankq_jax.data.episodes import concatenate
from rankq_jax.data.prepare import RewardTransform
from rankq_jax.environments import BatchEnv, EnvState, Step
from rankq_jax.envs.rollout import collect, recorder
from rankq_jax.envs.streams import streams
from rankq_jax.specs import TaskSpec, unit_box, vector
from rankq_jax.tasks import Generator, Task
from rankq_jax.types import Episodes

GOAL, RADIUS, SPEED, HORIZON = 0.8, 0.1, 0.1, 25


def reached(observation: np.ndarray) -> np.ndarray:
    """`[n, 2] -> [n]` bool."""
    return np.abs(observation[:, 0] - GOAL) < RADIUS


def _starts(stream: np.ndarray, episode: np.ndarray) -> np.ndarray:
    """`[n, 2]`: position and last movement at the start of an episode, a function of both arguments."""
    rows = [np.random.default_rng([*s, e]).uniform(-1.0, 0.5) for s, e in zip(stream, episode, strict=True)]
    return np.stack([np.array(rows), np.zeros(len(rows))], axis=1)


def environment(rows: int, threads: int) -> BatchEnv:
    """n points; threads are not used."""

    def reset(stream: np.ndarray) -> EnvState:
        if stream.shape != (rows, 2):
            raise ValueError(f"{rows} rows need streams of shape {(rows, 2)}, not {stream.shape}")
        episode = np.zeros(rows, np.int64)
        at = _starts(stream, episode)
        step = np.zeros(rows, np.int32)
        return EnvState(at, step, np.asarray(stream, np.uint64), episode + 1, at.copy())

    def step(state: EnvState, action: np.ndarray, active: np.ndarray) -> tuple[EnvState, Step]:
        movement = SPEED * np.clip(action[:, 0], -1.0, 1.0)
        position = np.clip(state.simulator[:, 0] + movement, -1.0, 1.0)
        observation = np.where(active[:, None], np.stack([position, movement], axis=1), state.simulator)
        elapsed = state.step + active
        success = reached(observation)
        truncated = (elapsed >= HORIZON) & ~success
        ended = (success | truncated) & active
        at = np.where(ended[:, None], _starts(state.stream, state.episode), observation)
        new = state._replace(
            simulator=at,
            observation=at.copy(),
            step=np.where(ended, 0, elapsed).astype(np.int32),
            episode=state.episode + ended,
        )
        return new, Step(observation, success.astype(float), success, truncated, success)

    return BatchEnv(reset, step, TaskSpec(vector(2), unit_box(1), HORIZON), rows)


def generate(steps: int, seed: int, threads: int, progress: object) -> Episodes:
    """Whole episodes of a policy that goes to the right more often than not."""
    env, random, kept = environment(10, 1), np.random.default_rng(seed), list[Episodes]()
    state, running, count = env.reset(streams(seed, 10)), recorder(env), 0

    def act(observation: np.ndarray, t: int) -> np.ndarray:
        return np.clip(random.normal(0.3, 0.6, (10, 1)), -1.0, 1.0).astype(np.float32)

    while count < steps:
        state, running, ended = collect(env, state, running, act, HORIZON)
        kept += [episode for _, episode in ended]
        count = sum(len(episode.reward) for episode in kept)
    return concatenate(kept)


line = rq.register_task(
    Task(
        name="own-line",
        domain="own",
        environment=environment,
        transform=RewardTransform(scale=1.0, bias=-1.0, failure=0.0),
        success=reached,
        rewards=(0.0, 1.0),
        generators={"random": Generator(2_000, 1_000_000, generate, "a random walk to the right", None)},
    )
)


def main(offline_updates: int = 2_000, env_steps: int = 400) -> None:
    """Checks the contract of the environment, then trains IQL on its data."""
    rq.testing.check_environment(line)
    agent = rq.agents.iql(rq.networks.iql(line.spec, hidden=(32, 32)), rq.Optimizers.adam(1e-3))
    plan = rq.offline_to_online(agent, offline_updates=offline_updates, env_steps=env_steps, mixing_ratio=0.5)
    for event in rq.Run(plan, line, rq.load_dataset(line), evaluation_episodes=20):
        if isinstance(event, rq.Evaluated):
            print(event.phase, event.updates, event.metrics["success"].mean(axis=1))


if __name__ == "__main__":
    main()
