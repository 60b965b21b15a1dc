"""Images changed at random before an update sees them."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from rankq_jax.bounds import Count, OpenUnitInterval, checked
from rankq_jax.types import Agent, Key, Metrics, Transition

LUMA = (0.299, 0.587, 0.114)  # gray of red, green and blue (ITU-R BT.601)
Change = Callable[[jax.Array, Key], jax.Array]  # [B, H, W, C] -> [B, H, W, C]


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
    return _changed(agent, lambda image, key: _shifted(image, pixels, key))


@checked()
def jitter_colors(agent: Agent, strength: OpenUnitInterval = 0.2) -> Agent:
    """Updates see every image with another brightness, contrast and saturation, each row with its own.

    The three factors are uniform in 1 +- `strength`; contrast is around the image's mean gray, saturation
    around each pixel's gray. Images that are not of three channels of uint8 stay as they are, and acting sees
    images as they are.

    Args:
      agent: any agent whose update takes batches.
      strength: the largest change of a factor.

    Raises:
      ValueError: if `strength` is not in (0, 1).
    """
    return _changed(agent, lambda image, key: _jittered(image, strength, key))


def _changed(agent: Agent, change: Change) -> Agent:
    """`agent` whose updates see changed images."""

    def changed(observation: Any, key: Key) -> Any:
        leaves, structure = jax.tree.flatten(observation)
        keys = jax.random.split(key, len(leaves))
        images = [change(x, k) if x.ndim == 4 else x for x, k in zip(leaves, keys, strict=True)]
        return jax.tree.unflatten(structure, images)

    def update(state: Any, batch: Transition, key: Key) -> tuple[Any, Metrics]:
        k_now, k_next, k_update = jax.random.split(key, 3)
        seen = batch._replace(
            observation=changed(batch.observation, k_now),
            next_observation=changed(batch.next_observation, k_next),
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


def _jittered(image: jax.Array, strength: float, key: Key) -> jax.Array:
    """`[B, H, W, 3]`, each image with colors of its own."""
    if image.dtype != jnp.uint8 or image.shape[-1] != len(LUMA):
        return image
    factors = 1.0 + strength * jax.random.uniform(key, (3, image.shape[0], 1, 1, 1), minval=-1.0)
    brightness, contrast, saturation = factors
    luma = jnp.array(LUMA).reshape(1, 1, 1, -1)
    x = image.astype(jnp.float32) * brightness
    gray = jnp.sum(x * luma, axis=-1, keepdims=True)
    middle = jnp.mean(gray, axis=(1, 2), keepdims=True)
    # Contrast and saturation of a pixel and of its gray, which are both linear in them.
    x = middle + contrast * (gray - middle + saturation * (x - gray))
    return jnp.clip(jnp.round(x), 0, 255).astype(jnp.uint8)
