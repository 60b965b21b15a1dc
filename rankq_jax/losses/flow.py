"""Flow matching: the time that is drawn, the regression of the velocity, and the integration.

Flow time runs from 0, noise, to 1, data, as in pi0 (arXiv 2410.24164, sec. IV) and in RankQ (App. B). The
code of openpi runs the other way: its `t` is `1 - tau` and its velocity has the other sign.
"""

from collections.abc import Callable

import chex
import jax
import jax.numpy as jnp

from rankq_jax.types import Key

BETA, UNIFORM = "beta", "uniform"
TIMES = (BETA, UNIFORM)  # distributions of the flow time of a training row
SHAPE = 1.5  # first parameter of the beta distribution of pi0; the second is 1
LATEST = 0.999  # no later time is drawn, as in the code of openpi
Velocity = Callable[[jax.Array, jax.Array], jax.Array]  # (x [B, *A], tau [B]) -> [B, *A]


def sample_time(key: Key, rows: int, distribution: str = BETA) -> jax.Array:
    """`[rows]`: flow times in [0, 0.999].

    `beta`: `tau = 0.999 (1 - b)` with `b ~ Beta(1.5, 1)`, whose distribution function is `b^1.5`, so that
    `b = u^(2/3)` (pi0, App. B; openpi). The noisy end is drawn more often: `E[tau] = 0.3996`. `uniform`:
    `tau = 0.999 u`.

    Raises:
      ValueError: if there is no such distribution.
    """
    if distribution not in TIMES:
        raise ValueError(f"distribution={distribution!r} must be one of {', '.join(TIMES)}")
    drawn = jax.random.uniform(key, (rows,))
    return LATEST * (1.0 - drawn ** (1.0 / SHAPE) if distribution == BETA else drawn)


def _of_rows(tau: jax.Array, like: jax.Array) -> jax.Array:
    return tau.reshape(tau.shape[0], *(1,) * (like.ndim - 1))


def interpolate(action: jax.Array, noise: jax.Array, tau: jax.Array) -> jax.Array:
    """`[B, *A], [B, *A], [B] -> [B, *A]`: `tau a + (1 - tau) epsilon` (RankQ, Eq. B.2).

    Raises:
      AssertionError: at trace time, if the shapes differ.
    """
    chex.assert_equal_shape([action, noise])
    share = _of_rows(tau, action)
    return share * action + (1.0 - share) * noise


def flow_matching(velocity: jax.Array, action: jax.Array, noise: jax.Array) -> jax.Array:
    """`[B, *A] x 3 -> [B]`: squared distance of a velocity to `a - epsilon`, mean over the action's numbers.

    Eq. B.1 of RankQ; the mean in place of the sum keeps the loss of chunks of any length of one size.

    Raises:
      AssertionError: at trace time, if the shapes differ.
    """
    chex.assert_equal_shape([velocity, action, noise])
    return jnp.mean(jnp.square(velocity - (action - noise)).reshape(action.shape[0], -1), axis=-1)


def generate(velocity: Velocity, start: jax.Array, steps: int) -> jax.Array:
    """`[B, *A] -> [B, *A]`: Euler's method from noise to data, `x + v(x, k/K) / K` for k = 0 .. K-1.

    Eq. B.3 of RankQ. The result is not clipped. With one step it is `x + v(x, 0)`, whose ideal is the mean
    action of the observation, whatever the noise was.

    Args:
      velocity: toward data.
      start: noise.
      steps: K.
    """
    rows = start.shape[0]

    def step(x: jax.Array, tau: jax.Array) -> tuple[jax.Array, None]:
        return x + velocity(x, jnp.broadcast_to(tau, (rows,))) / steps, None

    times = jnp.arange(steps, dtype=start.dtype) / steps
    return step(start, times[0])[0] if steps == 1 else jax.lax.scan(step, start, times)[0]
