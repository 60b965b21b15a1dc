"""The vision-language-action policy as a `Policy`, and its readout as an encoder of critics."""

import functools
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from rankq_jax.networks.encoded import ENCODER
from rankq_jax.networks.flows import AUXILIARY, HEAD, Flow, Prefix, integrating, merge
from rankq_jax.networks.mlp import network
from rankq_jax.networks.vla.backbone import Backbone
from rankq_jax.networks.vla.expert import Expert
from rankq_jax.networks.vla.features import prefix_of
from rankq_jax.networks.vla.sizes import INSTRUCTION, PROPRIO, VlaSizes
from rankq_jax.types import Key, Params, Policy


class Readout(nn.Module):
    """What a critic sees: the readout and the robot's own state.

    Its parameters are those of a `Backbone`, so that critics can see through the one of the policy.

    Attributes:
      sizes: see `VlaSizes`.
    """

    sizes: VlaSizes

    def setup(self) -> None:
        """Takes the backbone, whose parameters have no name of their own."""
        self.backbone = Backbone(self.sizes)
        nn.share_scope(self, self.backbone)

    def __call__(self, observation: Any) -> jax.Array:
        """`[B, *O] -> [B, H + p]`."""
        h = self.backbone(observation).h
        return jnp.concatenate([h, observation[PROPRIO]], axis=-1)


def vla_policy(sizes: VlaSizes, encoded: bool = False) -> Policy:
    """A flow policy of observations `{image or state, instruction, proprio}` and flat chunks `[B, C S]`.

    The parameters are those of the backbone (`ENCODER`), those of the velocity (`HEAD`), and those of the
    auxiliary heads (`AUXILIARY`), a linear map from the readout to a chunk and the arm's next state, which
    only imitation uses.

    Args:
      sizes: of the networks.
      encoded: whether observations are `features` that a backbone has made. The parameters then have no
        backbone, and the others begin as they do beside one.
    """
    init_backbone, look = network(Backbone(sizes))
    init_expert, move = network(Expert(sizes))
    init_auxiliary, guess = network(nn.Dense(sizes.action_size + sizes.proprio))

    def init(key: Key, observation: Any, action: jax.Array) -> Params:
        del action
        k_backbone, k_expert, k_auxiliary = jax.random.split(key, 3)
        backbone = {} if encoded else {ENCODER: init_backbone(k_backbone, observation)}
        prefix = encode(backbone, observation)
        x = jnp.zeros((prefix.h.shape[0], sizes.action_size))
        head = init_expert(k_expert, x, x[:, 0], prefix, observation[PROPRIO])
        return merge(backbone, {HEAD: head, AUXILIARY: init_auxiliary(k_auxiliary, prefix.h)})

    def encode(params: Params, observation: Any) -> Prefix:
        return prefix_of(observation) if encoded else look(params[ENCODER], observation)

    def velocity(params: Params, x: jax.Array, tau: jax.Array, prefix: Prefix, proprio: Any) -> jax.Array:
        return move(params[HEAD], x, tau, prefix, proprio)

    def predict(params: Params, h: jax.Array) -> tuple[jax.Array, jax.Array]:
        found = guess(params[AUXILIARY], h)
        return found[:, : sizes.action_size], found[:, sizes.action_size :]

    flow = Flow(
        encode,
        velocity,
        lambda observation: observation[PROPRIO],
        predict,
        functools.partial(_refuse, sizes.vocabulary),
    )
    return integrating(flow, init, sizes.action_size)


def _refuse(vocabulary: int, observation: Any) -> None:
    """Refuses instructions with numbers of words that there are not.

    Raises:
      ValueError: names the number and the vocabulary.
    """
    words = np.asarray(observation[INSTRUCTION])
    for wrong in (words.min(initial=0), words.max(initial=0)):
        if not 0 <= wrong < vocabulary:
            raise ValueError(
                f"the observation's {INSTRUCTION} has the token {wrong}, and the vocabulary of the networks "
                f"is 0 to {vocabulary - 1}"
            )
