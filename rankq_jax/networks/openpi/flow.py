"""A pi0 model as a flow policy of this library.

openpi's flow time runs the other way, `t = 1 - tau`, and its velocity points away from data, so that
`v(x, tau) = -v_openpi(x, 1 - tau)`. The points that are integrated through are the same.
"""

from typing import Any

import jax
import jax.numpy as jnp

from rankq_jax.bounds import Count, checked
from rankq_jax.errors import InputError
from rankq_jax.networks.flows import STEPS, Flow, Prefix, integrating
from rankq_jax.networks.openpi import inputs
from rankq_jax.networks.openpi.backend import Backend
from rankq_jax.networks.openpi.inputs import CAMERAS, Look
from rankq_jax.networks.openpi.parameters import parted, whole
from rankq_jax.types import Key, Params, Policy


def attention(mask: jax.Array, opens: jax.Array) -> jax.Array:
    """`[B, P], [P] -> [B, P, P]`: which token sees which.

    A token of `opens` begins a block. Tokens see those of their own block and of the blocks before, where
    there are any.
    """
    block = jnp.cumsum(opens)
    return mask[:, None, :] & mask[:, :, None] & (block[None, :] <= block[:, None])[None]


def _mean(x: jax.Array, mask: jax.Array) -> jax.Array:
    """`[B, P, W], [B, P] -> [B, W]`: the mean over the tokens that there are, in float32."""
    share = mask / mask.sum(axis=1, keepdims=True)
    return jnp.sum(x.astype(jnp.float32) * share[:, :, None], axis=1)


def _rows(cache: Any) -> jax.Array:
    """Keys and values `2 x [L, B, P, 1, d]` as rows `[B, L, 2, P, d]`."""
    keys, values = cache
    return jnp.stack([keys[..., 0, :], values[..., 0, :]]).transpose(2, 1, 0, 3, 4)


def _cache(kv: jax.Array) -> tuple[jax.Array, jax.Array]:
    """What `_rows` made rows of."""
    keys, values = kv.transpose(2, 1, 0, 3, 4)[..., None, :]
    return keys, values


@checked()
def pi0_flow(backend: Backend, look: Look, chunk: Count = 4, step_size: Count = 7) -> Flow:
    """The velocity of a pi0 model, of actions `[B, C S]`.

    The model moves horizon x numbers; the first C steps and S numbers of each are the action. The others are
    zero when the velocity is asked for, and their velocity is left out. With C and S as large as the model's
    the policy is openpi's own.

    Args:
      backend: the model.
      look: what it sees of an observation.
      chunk: C, steps of an action.
      step_size: S, numbers of a step.

    Raises:
      InputError: if the model has fewer steps or numbers, or no camera of such a name.
    """
    for what, asked, most in (
        ("chunk", chunk, backend.horizon),
        ("step_size", step_size, backend.action_dim),
    ):
        if asked > most:
            raise InputError(f"{what}={asked}: the pi0 model has {most}; choose at most as many.")
    if unknown := sorted(set(look.cameras) - set(CAMERAS)) or (not look.cameras and ["none"]):
        raise InputError(f"cameras: openpi has no {unknown[0]!r}; name some of {', '.join(CAMERAS)}.")

    def encode(params: Params, observation: Any) -> Prefix:
        model = backend.model(whole(params, backend.shapes))
        pictures, there = inputs.images(observation, look)
        tokens, token_mask = inputs.prompt(observation, look)
        own = inputs.state(observation, look, backend.action_dim)
        seen = backend.observation(
            images=pictures,
            image_masks=there,
            state=own,
            tokenized_prompt=tokens,
            tokenized_prompt_mask=token_mask,
        )
        embedded, mask, opens = model.embed_prefix(seen)
        (out, _), cache = model.PaliGemma.llm(
            [embedded, None], mask=attention(mask, opens), positions=jnp.cumsum(mask, axis=1) - 1
        )
        return Prefix(_rows(cache), mask, _mean(out, mask))

    def velocity(params: Params, x: jax.Array, tau: jax.Array, prefix: Prefix, proprio: Any) -> jax.Array:
        model, rows = backend.model(whole(params, backend.shapes)), x.shape[0]
        room = ((0, 0), (0, backend.horizon - chunk), (0, backend.action_dim - step_size))
        noisy = jnp.pad(x.reshape(rows, chunk, step_size), room)
        seen = backend.observation(images={}, image_masks={}, state=proprio)
        embedded, mask, opens, condition = model.embed_suffix(seen, noisy, 1.0 - tau)
        before = jnp.broadcast_to(prefix.mask[:, None], (rows, mask.shape[1], prefix.mask.shape[1]))
        (_, out), _ = model.PaliGemma.llm(
            [None, embedded],
            mask=jnp.concatenate([before, attention(mask, opens)], axis=-1),
            positions=prefix.mask.sum(axis=1, keepdims=True) + jnp.cumsum(mask, axis=1) - 1,
            kv_cache=_cache(prefix.kv),
            adarms_cond=[None, condition],
        )
        away = model.action_out_proj(out[:, -backend.horizon :])
        return -away[:, :chunk, :step_size].reshape(rows, -1).astype(x.dtype)

    return Flow(
        encode,
        velocity,
        proprio=lambda observation: inputs.state(observation, look, backend.action_dim),
        refuse=lambda observation: inputs.refuse_instructions(observation, look),
    )


@checked()
def pi0_policy(
    backend: Backend, look: Look, chunk: Count = 4, step_size: Count = 7, steps: Count = STEPS
) -> Policy:
    """A pi0 model as a policy of flat chunks `[B, C S]` in [-1, 1].

    Its parameters are those of the backbone and of the head (`parted`); `init` draws random ones.

    Args:
      backend: the model.
      look: what it sees of an observation.
      chunk: C, steps of an action.
      step_size: S, numbers of a step.
      steps: K, Euler steps of an action.

    Raises:
      InputError: as `pi0_flow`.
    """

    def init(key: Key, observation: Any, action: jax.Array) -> Params:
        del observation, action
        return parted(backend.init(key))

    return integrating(pi0_flow(backend, look, chunk, step_size), init, chunk * step_size, steps)
