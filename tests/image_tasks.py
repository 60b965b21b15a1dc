"""A dot that must reach the middle of an image, as tasks of images and of dictionaries, in numpy."""

import jax
import numpy as np

from rankq_jax.data.episodes import concatenate
from rankq_jax.data.prepare import RewardTransform
from rankq_jax.environments import BatchEnv, EnvState, Step
from rankq_jax.envs.rollout import collect, recorder
from rankq_jax.envs.streams import streams
from rankq_jax.specs import TaskSpec, unit_box, vector
from rankq_jax.tasks import Generator, Task

SIZE, HORIZON, SPEED, NEAR = 24, 12, 2.0, 2.0
MIDDLE = (SIZE - 1) / 2
IMAGE = jax.ShapeDtypeStruct((SIZE, SIZE, 3), np.dtype(np.uint8))


def picture(position):
    """`[n, 2] -> [n, 24, 24, 3]` uint8: a red square of 3 x 3 on blue."""
    image = np.zeros((len(position), SIZE, SIZE, 3), np.uint8)
    image[..., 2] = 60
    for row, (y, x) in enumerate(np.rint(position).astype(int)):
        image[row, y - 1 : y + 2, x - 1 : x + 2, 0] = 255
    return image


def only_image(position):
    return picture(position)


def with_proprio(position):
    return {"image": picture(position), "proprio": (position / SIZE).astype(np.float64)}


def dot_of(observation):
    """`[n, 2]`: where the dot is, read from the image."""
    image = observation["image"] if isinstance(observation, dict) else observation
    red = image[..., 0].astype(np.float64)
    total = red.sum(axis=(1, 2))
    rows, columns = red.sum(axis=2) @ np.arange(SIZE), red.sum(axis=1) @ np.arange(SIZE)
    return np.stack([rows, columns], axis=1) / total[:, None]


def reached(observation):
    """`[n]` bool."""
    return np.abs(dot_of(observation) - MIDDLE).max(axis=1) < NEAR


def _starts(stream, episode):
    """`[n, 2]`: near a corner, from where the middle is more than three steps away."""
    generators = [np.random.default_rng([*s, e]) for s, e in zip(stream, episode, strict=True)]
    corners = np.array([random.choice([0.0, 1.0], 2) for random in generators])
    offsets = np.array([random.uniform(1.5, 3.3, 2) for random in generators])
    return np.where(corners > 0, SIZE - 1 - offsets, offsets)


def environments(observe, observation):
    """`(rows, threads) -> BatchEnv`."""

    def environment(rows, threads):
        def reset(stream):
            if stream.shape != (rows, 2):
                raise ValueError(f"{rows} rows need streams of shape {(rows, 2)}, not {stream.shape}")
            episode = np.zeros(rows, np.int64)
            at, step = _starts(stream, episode), np.zeros(rows, np.int32)
            return EnvState(at, step, np.asarray(stream, np.uint64), episode + 1, observe(at))

        def step(state, action, active):
            moved = np.clip(state.simulator + SPEED * np.clip(action, -1.0, 1.0), 1.0, SIZE - 2.0)
            place = np.where(active[:, None], moved, state.simulator)
            seen, elapsed = observe(place), state.step + active
            success = reached(seen)
            truncated = (elapsed >= HORIZON) & ~success
            ended = (success | truncated) & active
            at = np.where(ended[:, None], _starts(state.stream, state.episode), place)
            new = state._replace(
                simulator=at,
                observation=observe(at),
                step=np.where(ended, 0, elapsed).astype(np.int32),
                episode=state.episode + ended,
            )
            return new, Step(seen, success.astype(float), success, truncated, success)

        return BatchEnv(reset, step, TaskSpec(observation, unit_box(2), HORIZON), rows)

    return environment


def generator(environment):
    """Whole episodes of noisy steps towards the middle, some of which never arrive."""

    def make(steps, seed, threads, progress):
        env, random, kept = environment(10, 1), np.random.default_rng(seed), []
        state, running = env.reset(streams(seed, 10)), recorder(env)

        def act(observation, t):
            towards = np.sign(MIDDLE - dot_of(observation))
            wanted = 0.6 * towards + random.normal(0.0, 0.7, (10, 2))
            return np.clip(wanted, -1.0, 1.0).astype(np.float32)

        while sum(len(episode.reward) for episode in kept) < steps:
            state, running, ended = collect(env, state, running, act, HORIZON)
            kept += [episode for _, episode in ended]
        return concatenate(kept)

    return Generator(600, 400, make, "noisy steps to the middle", None)


def task_of(name, observe, observation):
    environment = environments(observe, observation)
    return Task(
        name=name,
        domain="own",
        environment=environment,
        transform=RewardTransform(scale=1.0, bias=-1.0, failure=0.0),
        success=reached,
        rewards=(0.0, 1.0),
        generators={"noisy": generator(environment)},
    )


DOT = task_of("dot", only_image, IMAGE)
BOTH = task_of("dot-and-place", with_proprio, {"image": IMAGE, "proprio": vector(2)})
