"""A model with the layout, the time and the sign of openpi, of the size of its dummy transformers.

Written from the equations: two experts that attend to each other, with the names and shapes that openpi
gives parameters. Its images are dense patches in place of SigLIP.
"""

import functools
from types import SimpleNamespace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rankq_jax.networks.openpi import Backend

WIDTH, DEPTH, HEADS, SIZE, MLP = 64, 4, 8, 16, 128  # one head of keys and values
PATCH, VOCABULARY = 56, 40
HORIZON, NUMBERS, WORDS = 5, 9, 6


class Seen(NamedTuple):
    images: dict
    image_masks: dict
    state: jax.Array
    tokenized_prompt: jax.Array | None = None
    tokenized_prompt_mask: jax.Array | None = None


def shapes(pi05=False):
    """The parameters of the model, float32."""

    def expert(suffix, adaptive):
        norm = (
            {"Dense_0": {"kernel": (DEPTH, WIDTH, 3 * WIDTH), "bias": (DEPTH, 3 * WIDTH)}}
            if adaptive
            else {"scale": (DEPTH, WIDTH)}
        )
        last = (
            {"Dense_0": {"kernel": (WIDTH, 3 * WIDTH), "bias": (3 * WIDTH,)}}
            if adaptive
            else {"scale": (WIDTH,)}
        )
        attention = {
            f"q_einsum{suffix}": {"w": (DEPTH, HEADS, WIDTH, SIZE)},
            f"kv_einsum{suffix}": {"w": (DEPTH, 2, 1, WIDTH, SIZE)},
            f"attn_vec_einsum{suffix}": {"w": (DEPTH, HEADS, SIZE, WIDTH)},
        }
        mlp = {f"mlp{suffix}": {"gating_einsum": (DEPTH, 2, WIDTH, MLP), "linear": (DEPTH, MLP, WIDTH)}}
        norms = {f"pre_attention_norm{suffix}": norm, f"pre_ffw_norm{suffix}": norm}
        return attention, {**mlp, **norms}, {f"final_norm{suffix}": last}

    def dense(inner, outer):
        return {"kernel": (inner, outer), "bias": (outer,)}

    first, second = expert("", False), expert("_1", pi05)
    layers = {"attn": {**first[0], **second[0]}, **first[1], **second[1]}
    llm = {"embedder": {"input_embedding": (VOCABULARY, WIDTH)}, "layers": layers, **first[2], **second[2]}
    image = {"embedding": dense(PATCH * PATCH * 3, WIDTH), "head": dense(WIDTH, WIDTH)}
    move = {"action_in_proj": dense(NUMBERS, WIDTH), "action_out_proj": dense(WIDTH, NUMBERS)}
    time = (
        {"time_mlp_in": dense(WIDTH, WIDTH), "time_mlp_out": dense(WIDTH, WIDTH)}
        if pi05
        else {
            "state_proj": dense(NUMBERS, WIDTH),
            "action_time_mlp_in": dense(2 * WIDTH, WIDTH),
            "action_time_mlp_out": dense(WIDTH, WIDTH),
        }
    )
    tree = {"PaliGemma": {"llm": llm, "img": image}, **move, **time}
    return jax.tree.map(
        lambda shape: jax.ShapeDtypeStruct(shape, jnp.float32), tree, is_leaf=lambda x: isinstance(x, tuple)
    )


def drawn(tree, seed=0):
    """Random parameters, none of which is zero or one; a matrix keeps the size of what it multiplies."""
    random = np.random.default_rng(seed)

    def leaf(shape):
        inner = shape.shape[-2] if len(shape.shape) > 1 else 25
        return random.normal(0.0, inner**-0.5, shape.shape).astype(np.float32)

    return jax.tree.map(leaf, tree)


def free(method):
    """`method`, in which shapes of different ranks are broadcast, as in openpi; the adapter has none."""

    @functools.wraps(method)
    def call(*args, **kwargs):
        with jax.numpy_rank_promotion("allow"):
            return method(*args, **kwargs)

    return call


def _affine(x, layer):
    return x @ layer["kernel"] + layer["bias"]


def _norm(x, layer, condition):
    """The normalized tokens, and the gate of what is added to them; adaptive where there is a condition."""
    x = x / jnp.sqrt(jnp.mean(x**2, axis=-1, keepdims=True) + 1e-6)
    if "scale" in layer:
        return x * (1.0 + layer["scale"]), 1.0
    scale, shift, gate = jnp.split(_affine(condition, layer["Dense_0"])[:, None], 3, axis=-1)
    return x * (1.0 + scale) + shift, gate


def _turned(x, positions):
    """`[B, T, N, d]` at positions `[B, T]`."""
    half = x.shape[-1] // 2
    angle = positions[:, :, None, None] * 10_000.0 ** (-jnp.arange(half) / half)
    a, b = x[..., :half], x[..., half:]
    return jnp.concatenate(
        [a * jnp.cos(angle) - b * jnp.sin(angle), b * jnp.cos(angle) + a * jnp.sin(angle)], axis=-1
    )


def _swish(x):
    return x / (1.0 + jnp.exp(-x))


class Model:
    """The methods that openpi's models have, with its arguments."""

    def __init__(self, params):
        self.params = params
        self.PaliGemma = SimpleNamespace(llm=self.llm)

    @free
    def llm(self, embedded, *, positions, mask, kv_cache=None, adarms_cond=(None, None)):
        own = self.params["PaliGemma"]["llm"]
        there = [(i, "_1" if i else "") for i, tokens in enumerate(embedded) if tokens is not None]
        ends = np.cumsum([embedded[i].shape[1] for i, _ in there])

        def layer(xs, at):
            own, before = at
            xs, gates, parts = dict(xs), {}, []
            for i, end in there:
                y, gates[i] = _norm(xs[i], own[f"pre_attention_norm{end}"], adarms_cond[i])
                q = jnp.einsum("btd,ndh->btnh", y, own["attn"][f"q_einsum{end}"]["w"])
                kv = jnp.einsum("btd,cgdh->cbtgh", y, own["attn"][f"kv_einsum{end}"]["w"])
                parts.append((q, kv[0], kv[1]))
            q, k, v = (jnp.concatenate(part, axis=1) for part in zip(*parts, strict=True))
            q, k = _turned(q, positions), _turned(k, positions)
            if before is not None:
                k, v = (jnp.concatenate(pair, axis=1) for pair in zip(before, (k, v), strict=True))
            scores = jnp.einsum("btnh,bsh->bnts", q, k[:, :, 0]) / np.sqrt(SIZE)
            weights = jax.nn.softmax(jnp.where(mask[:, None], scores, -1e30), axis=-1)
            mixed = jnp.einsum("bnts,bsh->btnh", weights, v[:, :, 0])
            for (i, end), rows in zip(there, jnp.split(mixed, ends[:-1], axis=1), strict=True):
                seen = jnp.einsum("btnh,nhd->btd", rows, own["attn"][f"attn_vec_einsum{end}"]["w"])
                xs[i] = xs[i] + gates[i] * seen
                y, gate = _norm(xs[i], own[f"pre_ffw_norm{end}"], adarms_cond[i])
                gating, linear = (own[f"mlp{end}"][name] for name in ("gating_einsum", "linear"))
                xs[i] = xs[i] + gate * ((jax.nn.gelu(y @ gating[0]) * (y @ gating[1])) @ linear)
            return xs, (k, v)

        xs, cache = jax.lax.scan(layer, {i: embedded[i] for i, _ in there}, (own["layers"], kv_cache))
        out = {i: _norm(xs[i], own[f"final_norm{end}"], adarms_cond[i])[0] for i, end in there}
        return [out.get(0), out.get(1)], cache

    @free
    def embed_prefix(self, seen):
        own, tokens, mask = self.params["PaliGemma"], [], []
        for name, image in seen.images.items():
            rows, side = image.shape[0], image.shape[1] // PATCH
            x = image.reshape(rows, side, PATCH, side, PATCH, 3).transpose(0, 1, 3, 2, 4, 5)
            x = _affine(
                jnp.tanh(_affine(x.reshape(rows, side**2, -1), own["img"]["embedding"])), own["img"]["head"]
            )
            tokens.append(x)
            mask.append(jnp.repeat(seen.image_masks[name][:, None], side**2, axis=1))
        tokens.append(own["llm"]["embedder"]["input_embedding"][seen.tokenized_prompt] * np.sqrt(WIDTH))
        mask.append(seen.tokenized_prompt_mask)
        mask = jnp.concatenate(mask, axis=1)
        return jnp.concatenate(tokens, axis=1), mask, jnp.zeros(mask.shape[1], bool)

    @free
    def embed_suffix(self, seen, noisy, t):
        rows, horizon = noisy.shape[:2]
        period = np.geomspace(4e-3, 4.0, WIDTH // 2)
        angle = t[:, None] * jnp.asarray(2 * np.pi / period, jnp.float32)
        time = jnp.concatenate([jnp.sin(angle), jnp.cos(angle)], axis=-1)
        x = _affine(noisy, self.params["action_in_proj"])
        if "state_proj" not in self.params:
            time = _swish(_affine(time, self.params["time_mlp_in"]))
            condition = _swish(_affine(time, self.params["time_mlp_out"]))
            opens = np.arange(horizon) == 0
            return x, jnp.ones((rows, horizon), bool), jnp.asarray(opens), condition
        x = jnp.concatenate([x, jnp.broadcast_to(time[:, None], x.shape)], axis=-1)
        x = _affine(_swish(_affine(x, self.params["action_time_mlp_in"])), self.params["action_time_mlp_out"])
        x = jnp.concatenate([_affine(seen.state, self.params["state_proj"])[:, None], x], axis=1)
        opens = np.arange(1 + horizon) < 2
        return x, jnp.ones((rows, 1 + horizon), bool), jnp.asarray(opens), None

    @free
    def action_out_proj(self, x):
        return _affine(x, self.params["action_out_proj"])


def backend(pi05=False):
    tree = shapes(pi05)
    return Backend(
        shapes=tree,
        init=lambda key: drawn(tree, int(jax.random.randint(key, (), 0, 1000))),
        model=Model,
        observation=Seen,
        horizon=HORIZON,
        action_dim=NUMBERS,
        words=WORDS,
    )


@jax.jit
@free
def away(params, seen, x, t):
    """The velocity `[B, HORIZON, NUMBERS]` of openpi at its time `[B]`: all tokens in one pass, none kept."""
    model = Model(params)
    prefix, there, _ = model.embed_prefix(seen)
    suffix, own, _, condition = model.embed_suffix(seen, x, t)
    mask = jnp.concatenate([there, own], axis=1)
    block = [0] * prefix.shape[1] + ([1] if "state_proj" in params else []) + [2] * HORIZON
    sees = np.array([[other <= mine for other in block] for mine in block])
    (_, out), _ = model.llm(
        [prefix, suffix],
        mask=sees[None] & mask[:, None, :] & mask[:, :, None],
        positions=jnp.cumsum(mask, axis=1) - 1,
        adarms_cond=[None, condition],
    )
    return model.action_out_proj(out[:, -HORIZON:])


def native(params, seen, noise, steps, keep=None):
    """The action `[B, HORIZON, NUMBERS]` as openpi integrates: from t = 1 down to 0, against the velocity.

    Args:
      params: of openpi.
      seen: the observation.
      noise: `[B, HORIZON, NUMBERS]`.
      steps: number of Euler steps.
      keep: `[HORIZON, NUMBERS]` bool; the other numbers are zero at every step. None keeps all.
    """
    x, keep = noise, np.ones(noise.shape[1:], bool) if keep is None else keep
    for k in range(steps):
        x = np.where(keep, x, np.float32(0.0))
        x = x - away(params, seen, x, np.full(x.shape[0], 1.0 - k / steps, np.float32)) / steps
    return np.asarray(x)
