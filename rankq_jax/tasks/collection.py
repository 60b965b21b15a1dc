"""What the generators of all tasks share: whole episodes of a scripted behaviour."""

from collections.abc import Callable, Mapping

import numpy as np

from rankq_jax.data.episodes import concatenate
from rankq_jax.envs.batch import Simulation, batch_env
from rankq_jax.envs.rollout import Act, collect, recorder
from rankq_jax.envs.streams import streams
from rankq_jax.tasks.task import Progress
from rankq_jax.trained_policies import TrainedPolicy
from rankq_jax.types import Episodes

# (rows, steps [n] since each row's episode began, live) -> Act
Behaviour = Callable[[int, np.ndarray], Act]

ROWS = 50  # environments that a dataset is collected from at once


def scripted(
    simulation: Simulation,
    behaviour: Behaviour,
    steps: int,
    seed: int,
    threads: int,
    progress: Progress,
    info: Mapping[str, tuple[int, ...]] | None = None,
    keep: Callable[[Episodes], bool] = lambda episode: True,
) -> Episodes:
    """Whole episodes of at least `steps` transitions, with the state of the simulator before each.

    Args:
      simulation: what is acted in.
      behaviour: who acts.
      steps: transitions.
      seed: of the starts.
      threads: of the environments.
      progress: told the number of steps after each of all rows.
      info: shapes of the further arrays that the behaviour returns.
      keep: which episodes to keep. It goes on until those are enough.
    """
    rows = min(ROWS, max(1, steps // simulation.horizon))
    env = batch_env(simulation, rows, threads)
    each = -(-steps // (rows * simulation.horizon)) * simulation.horizon
    state, running = env.reset(streams(seed, rows)), recorder(env, info, simulator_state=True)
    # The recorder's lengths are written to in place, and live as long as the collection.
    act, kept, count = behaviour(rows, running.length), list[Episodes](), 0
    while count < steps:
        state, running, ended = collect(env, state, running, act, each, progress=progress)
        each = simulation.horizon  # once more, where episodes ended early or were not kept
        for _, episode in ended:
            if count < steps and keep(episode):
                kept.append(episode)
                count += len(episode.reward)
    if running.length.any():
        # Where episodes end early, those still running are long ones: without them failures would be rare.
        for _, episode in collect(env, state, running, act, simulation.horizon, once=True).episodes:
            if keep(episode):
                kept.append(episode)
    return concatenate(kept)


def noisy(policy: TrainedPolicy, noise: float, seed: int) -> Behaviour:
    """The behaviour of a trained policy: its greedy actions and Gaussian noise.

    Args:
      policy: who acts.
      noise: standard deviation, in units of the action range [-1, 1].
      seed: of the noise.
    """
    random = np.random.default_rng(seed)

    def act(observation: np.ndarray, t: int) -> np.ndarray:
        mode = policy(observation)
        return np.clip(mode + random.normal(0.0, noise, mode.shape), -1.0, 1.0).astype(np.float32)

    return lambda rows, elapsed: act
