"""SACFlow in plain numpy with float64, written from the equations B.3 to B.5 of RankQ.

Parameters are a dictionary: `velocity`, a perceptron of (readout, point, embedded time), and `noise`, the
head of the deviations. Observations are vectors, which are their own readout.
"""

import numpy as np

from tests.agents.golden import reference


def embedded(tau):
    """`[32]`: sines and cosines of a flow time with periods from 0.004 to 4."""
    periods = np.geomspace(4e-3, 4.0, 16)
    # A time of 80 turns has no more digits in float32, in which the library has it.
    turns = np.float64(np.float32(tau) * (1.0 / periods).astype(np.float32))
    return np.concatenate([np.sin(2.0 * np.pi * turns), np.cos(2.0 * np.pi * turns)])


def beside(x, tau):
    """`[..., 32]` of each row of x."""
    return np.broadcast_to(embedded(tau), (*x.shape[:-1], 32))


def velocity(actor, observation, x, tau):
    """`[..., A]`, toward data."""
    inputs = np.concatenate([observation, x, beside(x, tau)], axis=-1)
    return reference.network(actor["velocity"]["params"]["MLP_0"], inputs)


def log_deviation(actor, observation, tau, steps):
    """`[..., A]`: -2.5 + 0.5 (1 + tanh g) / 2, where g sees the time of several steps only."""
    layers = actor["noise"]["params"]
    x = observation if steps == 1 else np.concatenate([observation, beside(observation, tau)], axis=-1)
    x = np.tanh(x @ layers["hidden_0"]["kernel"] + layers["hidden_0"]["bias"])
    g = x @ layers["log_deviation"]["kernel"] + layers["log_deviation"]["bias"]
    return -2.5 + 0.5 * (1.0 + np.tanh(g)) / 2.0


def draw(actor, observation, start, noise):
    """The action before it is clipped, and its log density given the start.

    `observation [B, O]`, `start [B, A]`, `noise [K, B, A]`; with N actions of each row `[B, N, A]` and
    `[K, B, N, A]`.
    """
    if start.ndim > observation.ndim:
        observation = np.repeat(observation[:, None], start.shape[1], axis=1)
    x, density, steps = start, 0.0, len(noise)
    for k in range(steps):
        tau, xi = k / steps, np.clip(noise[k], -3.0, 3.0)
        deviation = np.exp(log_deviation(actor, observation, tau, steps))
        x = x + velocity(actor, observation, x, tau) / steps + deviation * xi
        density += (-0.5 * xi**2 - np.log(deviation) - 0.5 * np.log(2.0 * np.pi)).sum(axis=-1)
    return x, density


def target(known, start, noise):
    """`[B]`: `r + gamma (1 - d) min_k Qbar_k(s', a')` at one clipped sample."""
    batch = known.batch
    action = np.clip(draw(known.actor, batch.next_observation, start, noise)[0], -1.0, 1.0)
    return batch.reward + batch.discount * reference.q_values(
        known.target_critic, batch.next_observation, action
    ).min(axis=0)


def actor_loss(action, known):
    """`-mean min_k Q_k(s, a)` of actions in the box."""
    return -reference.q_values(known.critic, known.batch.observation, action).min(axis=0).mean()


def actor_gradient(known, start, noise):
    """Of the loss in the parameters: the slope at the clipped action, where descent does not lead outside."""
    seen = known.batch.observation
    action = draw(known.actor, seen, start, noise)[0]
    slope = reference.gradient(lambda a: actor_loss(a, known), np.clip(action, -1.0, 1.0))
    passed = np.where(np.abs(action) <= 1.0, slope, 0.0)
    passed = np.where((action > 1.0) & (slope > 0.0), slope, passed)  # descent lowers it
    passed = np.where((action < -1.0) & (slope < 0.0), slope, passed)  # descent raises it
    gradient = reference.gradient(lambda p: (passed * draw(p, seen, start, noise)[0]).sum(), known.actor)
    return gradient, action, slope
