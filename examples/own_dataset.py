"""A dataset of your own: arrays by the names of D4RL become training data, and Cal-QL learns from them.

python examples/own_dataset.py
"""

import numpy as np

import rankq_jax as rq
from rankq_jax.envs.rollout import collect, recorder
from rankq_jax.envs.streams import streams


def record(steps: int) -> dict[str, np.ndarray]:
    """Arrays of a policy that heads for the goal with noise; yours come from a robot or a file."""
    task = rq.make_task("pointmaze-umaze")
    env, random = task.environment(50, 0), np.random.default_rng(0)

    def act(observation: np.ndarray, t: int) -> np.ndarray:
        return np.clip(random.normal(np.sign(observation[:, 2:4]), 0.8), -1.0, 1.0).astype(np.float32)

    collected = collect(env, env.reset(streams(0, 50)), recorder(env), act, -(-steps // 50))
    episodes = [episode for _, episode in collected.episodes]

    def column(name: str) -> np.ndarray:
        return np.concatenate([getattr(episode, name) for episode in episodes])

    return {
        "observations": column("observation"),
        "actions": column("action"),
        "rewards": column("reward"),
        "next_observations": column("next_observation"),
        "terminals": column("terminated"),
        "timeouts": column("truncated"),
    }


def main(steps: int = 40_000, offline_updates: int = 2_000) -> None:
    """Trains offline only."""
    task = rq.make_task("pointmaze-umaze")
    data = rq.load_dataset(task, record(steps))
    agent = rq.agents.cal_ql(rq.networks.cal_ql(task.spec, hidden=(64, 64)), rq.Optimizers.adam(3e-4))
    plan = rq.offline_to_online(agent, offline_updates=offline_updates, env_steps=0)
    for event in rq.Run(plan, task, data, evaluation_episodes=20):
        if isinstance(event, rq.Evaluated):
            print(event.phase, event.updates, event.metrics["success"].mean(axis=1))


if __name__ == "__main__":
    main()
