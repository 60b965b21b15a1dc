"""What observations and actions look like: shapes, types and limits."""

import math
from typing import Any, NamedTuple

import jax
import numpy as np


class ActionSpec(NamedTuple):
    """What an environment takes as an action. Policies act in [-1, 1]; `to_box` scales.

    Attributes:
      shape: `*A`, of one action.
      low: `[*A]`, smallest value of each number.
      high: `[*A]`, largest value of each number.
    """

    shape: tuple[int, ...]
    low: np.ndarray
    high: np.ndarray

    @property
    def size(self) -> int:
        """The numbers of an action."""
        return math.prod(self.shape)

    def to_box(self, action: np.ndarray) -> np.ndarray:
        """`[..., *A] -> [..., *A]`: from [-1, 1] to the limits; values beyond are clipped before."""
        middle, half = 0.5 * (self.high + self.low), 0.5 * (self.high - self.low)
        # Symmetric limits only scale, so that actions of an environment in [-1, 1] keep every bit.
        return np.clip(middle + half * np.clip(action, -1.0, 1.0), self.low, self.high)


def unit_box(size: int) -> ActionSpec:
    """Vectors of `size` numbers in [-1, 1]."""
    return ActionSpec((size,), np.full(size, -1.0), np.full(size, 1.0))


def vector(size: int, dtype: Any = np.float64) -> jax.ShapeDtypeStruct:
    """The specification of a vector."""
    return jax.ShapeDtypeStruct((size,), np.dtype(dtype))


class TaskSpec(NamedTuple):
    """What networks, buffers and plans need to know of a task.

    Attributes:
      observation: pytree of `jax.ShapeDtypeStruct`, without a batch axis: a vector, an image `[H, W, C]` of
        uint8, or a dictionary of both. Simulators may report float64; agents see float32, see `seen`.
      action: what the environment takes.
      horizon: steps until truncation.
    """

    observation: Any
    action: ActionSpec
    horizon: int

    @property
    def flat(self) -> bool:
        """Whether an observation is one vector of floating-point numbers."""
        leaf = self.observation
        return (
            isinstance(leaf, jax.ShapeDtypeStruct)
            and len(leaf.shape) == 1
            and np.issubdtype(leaf.dtype, np.floating)
        )

    @property
    def observation_size(self) -> int:
        """The numbers of an observation, in all its arrays."""
        return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(self.observation))

    @property
    def action_size(self) -> int:
        """The numbers of an action."""
        return self.action.size

    @property
    def words(self) -> tuple[str, str]:
        """Observations as agents see them, and actions, in words by which tasks are compared."""
        action = jax.ShapeDtypeStruct(self.action.shape, np.dtype(np.float32))
        return describe_observation(seen(self.empty())), describe_observation(action)

    def empty(self, *lead: int) -> Any:
        """Observations of zeros `[*lead, *O]` in the types of the environment."""
        return jax.tree.map(lambda leaf: np.zeros((*lead, *leaf.shape), leaf.dtype), self.observation)


def seen(observation: Any) -> Any:
    """Observations as agents, datasets and replay buffers hold them: floating-point numbers in float32.

    Other types stay as they are: an image is uint8 on disk, in memory and on the device, and what an
    environment encodes in half precision (`envs.encoding`) is held in it.
    """

    def one(leaf: Any) -> Any:
        wide = np.issubdtype(leaf.dtype, np.floating) and leaf.dtype != np.float16
        return leaf.astype(np.float32, copy=False) if wide else leaf

    return jax.tree.map(one, observation)


def entries(observation: Any) -> dict[str, Any]:
    """The arrays of an observation, or of its specification, by name and in the order of the names.

    An observation that is one array has the name "". Nested names are joined by dots.
    """
    return {
        ".".join(str(getattr(part, "key", getattr(part, "idx", part))) for part in path): leaf
        for path, leaf in jax.tree_util.tree_leaves_with_path(observation)
    }


def describe_array(leaf: Any) -> str:
    """Type and shape of an array or its specification, in words: `float32[17]`."""
    return f"{leaf.dtype}{list(leaf.shape)}".replace(", ", ",")


def describe_observation(observation: Any) -> str:
    """What an observation is made of, in words: `float32[17]`, or `image uint8[48,64,3], proprio float32[7]`.

    Args:
      observation: arrays or their specifications, without a batch axis.
    """
    named = entries(observation)
    return ", ".join(f"{name} {describe_array(leaf)}".strip() for name, leaf in named.items())


def is_image(leaf: Any) -> bool:
    """Whether an array of an observation, or its specification, is `[H, W, C]`, without a batch axis."""
    return len(leaf.shape) == 3
