"""Images moved at random before an update sees them."""

from typing import Any

import jax
import jax.numpy as jnp

from rankq_jax.bounds import Count, checked
from rankq_jax.types import Agent, Key, Metrics, Transition


@checked()
def shift_images(agent: Agent, pixels: Count = 4) -> Agent:
    """Updates see every image moved by up to `pixels` rows and columns, each row of the batch by its own.

    What moves in from outside repeats the edge (DrQ, arXiv 2004.13649). Acting sees images as they are.

    Args:
      agent: any agent whose update takes batches.
      pixels: the farthest that an image moves.

    Raises:
      ValueError: if `pixels` is below 1.
    """

    def shifted(observation: Any, key: Key) -> Any:
        leaves, structure = jax.tree.flatten(observation)
        keys = jax.random.split(key, len(leaves))
        moved = [_shifted(x, pixels, k) if x.ndim == 4 else x for x, k in zip(leaves, keys, strict=True)]
        return jax.tree.unflatten(structure, moved)

    def update(state: Any, batch: Transition, key: Key) -> tuple[Any, Metrics]:
        k_now, k_next, k_update = jax.random.split(key, 3)
        seen = batch._replace(
            observation=shifted(batch.observation, k_now),
            next_observation=shifted(batch.next_observation, k_next),
        )
        return agent.update(state, seen, k_update)

    return agent._replace(update=update)


def _shifted(image: jax.Array, pixels: int, key: Key) -> jax.Array:
    """`[B, H, W, C]`, each image moved."""
    edge = (pixels, pixels)
    padded = jnp.pad(image, ((0, 0), edge, edge, (0, 0)), mode="edge")
    corners = jax.random.randint(key, (image.shape[0], 2), 0, 2 * pixels + 1)
    cut = lambda x, corner: jax.lax.dynamic_slice(x, (*corner, 0), image.shape[1:])  # noqa: E731
    return jax.vmap(cut)(padded, corners)
