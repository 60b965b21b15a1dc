"""Flow matching: the time that is drawn, the regression of the velocity, the integration, and its noise.

Flow time runs from 0, noise, to 1, data, as in pi0 (arXiv 2410.24164, sec. IV) and in RankQ (App. B). The
code of openpi runs the other way: its `t` is `1 - tau` and its velocity has the other sign.
"""

import math
from collections.abc import Callable

import chex
import jax
import jax.numpy as jnp

from rankq_jax.types import Key

BETA, UNIFORM = "beta", "uniform"
TIMES = (BETA, UNIFORM)  # distributions of the flow time of a training row
SHAPE = 1.5  # first parameter of the beta distribution of pi0; the second is 1
LATEST = 0.999  # no later time is drawn, as in the code of openpi
LOG_DEVIATION = (-2.5, -2.0)  # bounds of a step's noise, 0.082 to 0.135 (Choi et al., arXiv 2603.18532)
FARTHEST = 3.0  # deviations that a step's noise has at most (ReinFlow code)
LOG_ROOT = 0.5 * math.log(2.0 * math.pi)
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


def bounded_log_deviation(raw: jax.Array) -> jax.Array:
    """`[...] -> [...]`: any number as a logarithm of a deviation in [-2.5, -2.0]; 0 becomes -2.25.

    `lo + (hi - lo) (1 + tanh g) / 2`, as the code of ReinFlow bounds a logarithm of a variance.
    """
    low, high = LOG_DEVIATION
    return low + (high - low) * 0.5 * (1.0 + jnp.tanh(raw))


def chain_log_density(
    chain: jax.Array, mean: jax.Array, log_deviation: jax.Array, include_init: bool = True
) -> jax.Array:
    """`[B]`: log density of the points of a noisy integration (RankQ, Eqs. B.4 and B.5).

    `sum_d log N(x_0; 0, 1) + sum_k sum_d log N(x_(k+1); mu_k, sigma_k^2)`, the points not clipped.

    Args:
      chain: `[B, K + 1, A]`, from the start noise to the action.
      mean: `[B, K, A]`, where each step leads without noise.
      log_deviation: `[B, K, A]`, of each step.
      include_init: whether the start noise counts; else it is the density given the start.

    Raises:
      AssertionError: at trace time, if the shapes do not belong together.
    """
    chex.assert_equal_shape([chain[:, 1:], mean, log_deviation])
    scaled = (chain[:, 1:] - mean) * jnp.exp(-log_deviation)
    steps = jnp.sum(-0.5 * jnp.square(scaled) - log_deviation - LOG_ROOT, axis=(1, 2))
    return steps + jnp.sum(-0.5 * jnp.square(chain[:, 0]) - LOG_ROOT, axis=1) if include_init else steps


@jax.custom_vjp
def clip_one_sided(action: jax.Array) -> jax.Array:
    """`[...] -> [...]`: clipped to [-1, 1]; the gradient of a loss passes where descent leads into the box.

    Inside it is the identity. Outside, descent moves a number against its gradient, so that above 1 positive
    gradients pass and below -1 negative ones. Targets of grippers lie at the edge: an ordinary clip would
    still half of their samples for good, and passing every gradient would let the mean drift without bound.
    """
    return jnp.clip(action, -1.0, 1.0)


def _clip_forward(action: jax.Array) -> tuple[jax.Array, jax.Array]:
    return clip_one_sided(action), action


def _clip_backward(action: jax.Array, slope: jax.Array) -> tuple[jax.Array]:
    outward = ((action > 1.0) & (slope < 0.0)) | ((action < -1.0) & (slope > 0.0))
    return (jnp.where(outward, jnp.zeros_like(slope), slope),)


clip_one_sided.defvjp(_clip_forward, _clip_backward)
