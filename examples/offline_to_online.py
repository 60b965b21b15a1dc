"""RankQ offline, then online, on a point maze; the policy as a file that needs numpy only.

python examples/offline_to_online.py
"""

import rankq_jax as rq


def main(offline_updates: int = 8_000, env_steps: int = 6_000, path: str = "policy.npz") -> None:
    """Trains two seeds and prints their success rates."""
    task = rq.make_task("pointmaze-umaze")
    networks = rq.networks.cal_ql(task.spec, hidden=(128, 128))
    agent = rq.agents.rankq(networks, rq.Optimizers.adam(3e-4), sigma=0.15)
    plan = rq.offline_to_online(agent, offline_updates=offline_updates, env_steps=env_steps)
    run = rq.Run(plan, task, rq.load_dataset(task), seeds=[0, 1], evaluation_episodes=20)
    for event in run:
        if isinstance(event, rq.Evaluated):
            print(event.phase, event.updates, event.metrics["success"].mean(axis=1))
    rq.save_policy(run, path)


if __name__ == "__main__":
    main()
