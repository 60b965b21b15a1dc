"""SACFlow: flow policies whose steps end with bounded noise, so that their samples have a density."""

from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from rankq_jax.bounds import Count, Samples, Widths, checked
from rankq_jax.losses.flow import FARTHEST, bounded_log_deviation, chain_log_density, clip_one_sided
from rankq_jax.networks.flows import NOISE, TIME, Flow, embed_time, integrating
from rankq_jax.networks.mlp import FLOAT32, Arithmetic, network
from rankq_jax.types import Key, Params, Policy

HIDDEN = (128,)  # widths of the noise head


class NoiseHead(nn.Module):
    """The deviations of the noise from the readout; -2.25 everywhere at first, because the last layer is 0.

    Attributes:
      hidden: widths of the hidden layers, with tanh.
      action_size: A.
      timed: whether it sees the flow time, which is always 0 where there is one step.
      arithmetic: see `mlp.Arithmetic`.
    """

    hidden: tuple[int, ...]
    action_size: int
    timed: bool
    arithmetic: Arithmetic

    @nn.compact
    def __call__(self, h: jax.Array, tau: jax.Array) -> jax.Array:
        """`[B, H], [B] -> [B, A]`: logarithms of deviations."""
        dtype, precision = self.arithmetic
        x = jnp.concatenate([h, embed_time(tau, TIME)], axis=-1) if self.timed else h
        for index, width in enumerate(self.hidden):
            x = jnp.tanh(nn.Dense(width, dtype=dtype, precision=precision, name=f"hidden_{index}")(x))
        last = nn.Dense(
            self.action_size, precision=precision, kernel_init=nn.initializers.zeros, name="log_deviation"
        )
        return bounded_log_deviation(last(x.astype(jnp.float32)))


class Walk(NamedTuple):
    """A noisy integration, K steps.

    Attributes:
      chain: `[B, K + 1, A]`, the points, from the start to the action that is not clipped.
      mean: `[B, K, A]`, where each step leads without its noise.
      log_deviation: `[B, K, A]`, of the noise of each step.
    """

    chain: jax.Array
    mean: jax.Array
    log_deviation: jax.Array


def _step(
    flow: Flow, params: Params, observation: Any, steps: int
) -> Callable[[jax.Array, jax.Array], tuple[jax.Array, jax.Array]]:
    """`(x [B, A], tau []) -> (mean [B, A], log deviation [B, A])` of one of K steps."""
    prefix, proprio = flow.encode(params, observation), flow.proprio(observation)
    # The noise is no reason to change what is seen (and a frozen backbone does not change anyway).
    h = jax.lax.stop_gradient(prefix.h)
    deviation = flow.log_deviation
    assert deviation is not None

    def step(x: jax.Array, tau: jax.Array) -> tuple[jax.Array, jax.Array]:
        time = jnp.broadcast_to(tau, (x.shape[0],))
        mean = x + flow.velocity(params, x, time, prefix, proprio) / steps
        return mean, deviation(params, h, time)

    return step


def _scanned(step: Any, carry: Any, inputs: Any, steps: int) -> tuple[Any, Any]:
    """`lax.scan` that traces a single step as it is; results are stacked as `[B, K, A]`."""
    if steps > 1:
        last, found = jax.lax.scan(step, carry, inputs)
    else:
        last, found = step(carry, jax.tree.map(lambda x: x[0], inputs))
        found = jax.tree.map(lambda x: x[None], found)
    return last, jax.tree.map(lambda x: jnp.moveaxis(x, 0, 1), found)


def walk(flow: Flow, params: Params, observation: Any, start: jax.Array, noise: jax.Array) -> Walk:
    """A noisy integration: `x_(k+1) = mu_k + sigma_k xi_k`, `mu_k = x_k + v(x_k, k/K) / K` (Eqs. B.4, B.5).

    Args:
      flow: with a `log_deviation`.
      params: of the policy.
      observation: `[B, *O]`.
      start: `[B, A]`, x_0.
      noise: `[K, B, A]`, xi.
    """
    steps = noise.shape[0]
    one = _step(flow, params, observation, steps)

    def step(x: jax.Array, given: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, Any]:
        tau, xi = given
        mean, log_deviation = one(x, tau)
        new = mean + jnp.exp(log_deviation) * xi
        return new, (new, mean, log_deviation)

    times = jnp.arange(steps, dtype=start.dtype) / steps
    _, (points, mean, log_deviation) = _scanned(step, start, (times, noise), steps)
    return Walk(jnp.concatenate([start[:, None], points], axis=1), mean, log_deviation)


def sample_chain(
    flow: Flow, params: Params, observation: Any, key: Key, action_size: int, steps: int = 1
) -> Walk:
    """A noisy integration from Gaussian noise; the noise of the steps is clipped to 3 deviations.

    Args:
      flow: with a `log_deviation`.
      params: of the policy.
      observation: `[B, *O]`.
      key: of the start and of the steps.
      action_size: A.
      steps: K.
    """
    k_start, k_noise = jax.random.split(key)
    rows = jax.tree.leaves(observation)[0].shape[0]
    start = jax.random.normal(k_start, (rows, action_size))
    noise = jax.random.normal(k_noise, (steps, rows, action_size))
    return walk(flow, params, observation, start, jnp.clip(noise, -FARTHEST, FARTHEST))


def density_of_chain(
    flow: Flow, params: Params, observation: Any, chain: jax.Array, include_init: bool = True
) -> jax.Array:
    """`[B]`: the log density of given points; see `losses.chain_log_density`.

    Args:
      flow: with a `log_deviation`.
      params: of the policy.
      observation: `[B, *O]`.
      chain: `[B, K + 1, A]`, from the start to the action that is not clipped.
      include_init: whether the density of the start counts.
    """
    steps = chain.shape[1] - 1
    one = _step(flow, params, observation, steps)

    def step(_: None, given: tuple[jax.Array, jax.Array]) -> tuple[None, Any]:
        tau, x = given
        return None, one(x, tau)

    times = jnp.arange(steps, dtype=chain.dtype) / steps
    points = jnp.moveaxis(chain[:, :-1], 1, 0)
    _, (mean, log_deviation) = _scanned(step, None, (times, points), steps)
    return chain_log_density(chain, mean, log_deviation, include_init)


@checked()
def noisy(
    policy: Policy,
    action_size: Count,
    steps: Samples = 1,
    hidden: Widths = HIDDEN,
    arithmetic: Arithmetic = FLOAT32,
) -> Policy:
    """A flow policy whose steps end with bounded noise, SACFlow of RankQ (arXiv 2605.11151, App. B).

    Its parameters have those of the noise head under `NOISE` beside those of the velocity. A sample is
    clipped to the box by `losses.clip_one_sided`. Its log density is that of the points that led to it given
    the start, not clipped: of one step `log N(x_1; x_0 + v(x_0, 0), sigma^2)`. The start is left out because
    it has no parameters, and because `E[f(a) / p(a | x_0)]` of one step is then the integral of f, which
    importance weights need. A clip of the noise to 3 deviations does not enter the density.

    `log_density` of a given action is that of the last step, after the others were drawn with the key, or
    had no noise where there is none. Its exponential is an unbiased estimate of the density of the action
    before it is clipped; the logarithm itself lies below that density's in the mean. `mode` starts from zero
    and has no noise.

    Args:
      policy: a flow policy; its velocity and its first parameters are taken.
      action_size: A.
      steps: K, Euler steps of an action.
      hidden: widths of the noise head, which sees the readout, and with several steps the flow time.
      arithmetic: of the noise head.

    Raises:
      ValueError: if the policy integrates no velocity, or a value is out of bounds.
    """
    if policy.flow is None:
        raise ValueError("noise is for policies that integrate a velocity, those of flow and vla presets")
    init_head, head = network(NoiseHead(tuple(hidden), action_size, steps > 1, arithmetic))
    flow = policy.flow._replace(log_deviation=lambda params, h, tau: head(params[NOISE], h, tau))

    def init(key: Key, observation: Any, action: jax.Array) -> Params:
        k_policy, k_noise = jax.random.split(key)
        params = policy.init(k_policy, observation, action)
        h = flow.encode(params, observation).h
        return {**params, NOISE: init_head(k_noise, h, h[:, 0])}

    def sample(params: Params, observation: Any, key: Key) -> tuple[jax.Array, jax.Array]:
        found = sample_chain(flow, params, observation, key, action_size, steps)
        return clip_one_sided(found.chain[:, -1]), chain_log_density(*found, include_init=False)

    def log_density(params: Params, observation: Any, action: jax.Array, key: Key | None = None) -> jax.Array:
        if key is None:
            start = jnp.zeros((action.shape[0], action_size), action.dtype)
            found = walk(flow, params, observation, start, jnp.zeros((steps, *start.shape), action.dtype))
        else:
            found = sample_chain(flow, params, observation, key, action_size, steps)
        last = jnp.stack([found.chain[:, -2], action], axis=1)
        return chain_log_density(last, found.mean[:, -1:], found.log_deviation[:, -1:], include_init=False)

    mode = integrating(flow, init, action_size, steps).mode
    return Policy(init, sample, mode, log_density, flow)
