"""The value of actions around one state: surface, gradient field, and where gradient ascent ends.

Figure 1 of the RankQ paper (arXiv 2605.11151) for a trained critic.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

# (observation [B, O], action [B, A]) -> [B]
Value = Callable[[jax.Array, jax.Array], jax.Array]


class Landscape(NamedTuple):
    """Values over the first two action dimensions at one state; other dimensions are 0.

    Attributes:
      axis: `[R]` action values along each dimension, in [-1, 1].
      value: `[R, R]`, second dimension first, so that a picture has the first one to the right.
      gradient: `[R, R, 2]` of the value by the two dimensions.
      paths: `[M, steps + 1, 2]` gradient ascent from M random actions.
    """

    axis: np.ndarray
    value: np.ndarray
    gradient: np.ndarray
    paths: np.ndarray


def landscapes(
    value: Value,
    observations: np.ndarray,
    action_size: int,
    keys: Sequence[jax.Array],
    *,
    resolution: int = 41,
    starts: int = 8,
    steps: int = 100,
    rate: float = 0.02,
) -> list[Landscape]:
    """Evaluates a critic on a grid of R by R actions and climbs it from M random ones, at each of N states.

    Args:
      value: the critic, one number per row.
      observations: `[N, O]`.
      action_size: at least 2.
      keys: N, which draw the actions.
      resolution: R.
      starts: M.
      steps: how many the ascent makes.
      rate: length of a step, in units of the action range; only the gradient's direction counts.

    Raises:
      ValueError: if actions have fewer than two dimensions.
    """
    if action_size < 2:
        raise ValueError(f"a landscape needs two action dimensions, not {action_size}")
    axis = np.linspace(-1.0, 1.0, resolution, dtype=np.float32)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)

    @jax.jit  # compiled once for all states
    def drawn(observation: jax.Array, key: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        def of_one(action: jax.Array) -> jax.Array:
            full = jnp.zeros((1, action_size)).at[0, :2].set(action)
            return value(observation[None], full)[0]

        of_all = jax.vmap(jax.value_and_grad(of_one))

        def climb(action: jax.Array, _: None) -> tuple[jax.Array, jax.Array]:
            _, slope = of_all(action)
            length = jnp.linalg.norm(slope, axis=-1, keepdims=True)
            moved = jnp.clip(action + rate * slope / jnp.maximum(length, 1e-12), -1.0, 1.0)
            return moved, moved

        first = jax.random.uniform(key, (starts, 2), minval=-1.0, maxval=1.0)
        _, rest = jax.lax.scan(climb, first, None, length=steps)
        return *of_all(grid), jnp.concatenate([first[None], rest]).swapaxes(0, 1)

    found = []
    for observation, key in zip(np.asarray(observations, np.float32), keys, strict=True):
        values, gradient, paths = jax.device_get(drawn(observation, key))
        square = (resolution, resolution)
        found.append(Landscape(axis, values.reshape(square), gradient.reshape(*square, 2), paths))
    return found
