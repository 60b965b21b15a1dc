"""Observations of vision-language-action policies, and their networks once more in numpy."""

import jax
import numpy as np

from rankq_jax.networks import VLA_PRESETS, VlaSizes
from rankq_jax.networks.vla.sizes import Stage
from rankq_jax.specs import TaskSpec, unit_box
from rankq_jax.types import Transition

STATES = 5  # numbers of the state that stands in the place of an image


def spec_of(preset, size=28):
    """The specification of a task that a preset fits."""
    sizes = VLA_PRESETS[preset]
    shape = jax.ShapeDtypeStruct
    scene = (
        {"state": shape((STATES,), np.dtype(np.float32))}
        if sizes.image is None
        else {"image": shape((*sizes.image, 3), np.dtype(np.uint8))}
    )
    words, proprio = shape((12,), np.dtype(np.int32)), shape((7,), np.dtype(np.float32))
    return TaskSpec({**scene, "instruction": words, "proprio": proprio}, unit_box(size), 25)


def observations(preset, rows, seed=0):
    """Random observations; each instruction has five words or more."""
    random = np.random.default_rng(seed)

    def drawn(leaf):
        if leaf.dtype == np.uint8:
            return random.integers(0, 256, (rows, *leaf.shape), np.uint8)
        if leaf.dtype == np.int32:
            words = random.integers(1, 64, (rows, *leaf.shape), np.int32)
            return np.where(np.arange(12) < random.integers(5, 12, (rows, 1)), words, 0).astype(np.int32)
        return random.normal(size=(rows, *leaf.shape)).astype(np.float32)

    return jax.tree.map(drawn, spec_of(preset).observation)


def _norm(x, scale):
    return x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-6) * (1.0 + scale)


def _layer_norm(x, layer):
    centered = x - x.mean(-1, keepdims=True)
    return centered / np.sqrt((centered**2).mean(-1, keepdims=True) + 1e-6) * layer["scale"] + layer["bias"]


def _gelu(x):
    return 0.5 * x * (1.0 + np.tanh(np.sqrt(2.0 / np.pi) * (x + 0.044715 * x**3)))


def _dense(x, layer):
    return x @ layer["kernel"] + layer["bias"]


def _convolved(image, layer, size):
    """A convolution whose windows of `size` x `size` pixels do not overlap, window by window."""
    rows, columns = image.shape[0] // size, image.shape[1] // size
    kernel = layer["kernel"].reshape(size, size, image.shape[2], -1)
    found = np.zeros((rows, columns, kernel.shape[-1]))
    for y in range(rows):
        for x in range(columns):
            window = image[y * size : (y + 1) * size, x * size : (x + 1) * size]
            found[y, x] = np.einsum("yxf,yxfg->g", window, kernel)
    return found + layer["bias"]


def _turned(x, position):
    """One query or key of 32 numbers at a position."""
    angle = position * 10_000.0 ** (-np.arange(16) / 16)
    a, b = x[:16], x[16:]
    return np.concatenate([a * np.cos(angle) - b * np.sin(angle), a * np.sin(angle) + b * np.cos(angle)])


def _projected(token, layer, position, heads):
    y = _norm(token, layer["attention_norm"]["scale"]) @ layer["queries_key_value"]["kernel"]
    parts = y.reshape(heads + 2, 32)
    return [_turned(q, position) for q in parts[:heads]], _turned(parts[heads], position), parts[-1]


def _after(token, seen, layer):
    token = token + seen @ layer["output"]["kernel"]
    gate, value = np.split(_norm(token, layer["mlp_norm"]["scale"]) @ layer["gate_value"]["kernel"], 2)
    return token + (_gelu(gate) * value) @ layer["down"]["kernel"]


def joint(params, sizes, observation, x, tau):
    """One row: the velocity `[28]` and the readout, by one forward pass of all tokens together.

    Every token is a vector of its own, attention is a loop over the tokens that it may see, and nothing is
    kept from a pass over the prefix.
    """
    tree = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), params)
    back, head = tree["encoder"]["params"], tree["velocity"]["params"]
    pixels = observation["image"].astype(np.float64) / 127.5 - 1.0
    for index, stage in enumerate(sizes.stem):
        assert stage.kernel == stage.stride
        pixels = _gelu(_layer_norm(pixels, back["stem"][f"norm_{index}"])) if index else pixels
        pixels = _convolved(pixels, back["stem"][f"convolution_{index}"], stage.kernel)
    scene = pixels.reshape(-1, pixels.shape[-1]) + back["scene_positions"]
    words = back["words"][observation["instruction"]] + back["word_positions"]
    periods = np.geomspace(4e-3, 4.0, sizes.expert_width // 2)
    time = np.concatenate([f(2 * np.pi * tau / periods) for f in (np.sin, np.cos)])
    tokens = [*scene, *words, _dense(observation["proprio"].astype(np.float64), head["proprio"])]
    for step in x.reshape(4, 7):
        made = _dense(np.concatenate([_dense(step, head["action"]), time]), head["time_0"])
        tokens.append(_dense(made / (1.0 + np.exp(-made)), head["time_1"]))
    scenes, prefix = len(scene), len(scene) + len(words)
    there = np.concatenate([np.ones(scenes, bool), observation["instruction"] > 0, np.ones(5, bool)])

    def sees(i, j):
        last = prefix if i < prefix else prefix + 1 if i == prefix else prefix + 5
        return j < last and there[j]

    for depth in range(sizes.depth):
        layers = [(back if i < prefix else head)[f"layer_{depth}"] for i in range(len(tokens))]
        made = [
            _projected(t, layer, i, sizes.heads)
            for i, (t, layer) in enumerate(zip(tokens, layers, strict=True))
        ]
        new = []
        for i, token in enumerate(tokens):
            near = [j for j in range(len(tokens)) if sees(i, j)]
            mixed = []
            for query in made[i][0]:
                weight = np.exp([query @ made[j][1] / np.sqrt(32.0) for j in near])
                mixed.append(sum(w * made[j][2] for w, j in zip(weight / weight.sum(), near, strict=True)))
            new.append(_after(token, np.concatenate(mixed), layers[i]))
        tokens = new
    out = [_dense(_norm(t, head["norm"]["scale"]), head["velocity"]) for t in tokens[prefix + 1 :]]
    valid = [token for token, real in zip(tokens[:prefix], there, strict=False) if real]
    if sizes.readout != "flat":
        known = [_norm(token, back["norm"]["scale"]) for token in valid]
        return np.concatenate(out), sum(known) / len(known) if sizes.readout == "mean" else known[-1]
    each = [_dense(_norm(t, back["norm"]["scale"]), back["token_readout"]) for t in tokens[:scenes]]
    h = _layer_norm(_dense(np.concatenate(each), back["readout"]), back["readout_norm"])
    return np.concatenate(out), h


TINY = VlaSizes(
    image=(8, 8),
    stem=(Stage(4, 4, 8),),
    words=3,
    vocabulary=9,
    width=8,
    mlp=8,
    depth=1,
    head_dim=4,
    expert_width=8,
    expert_mlp=8,
    token_readout=2,
    flat_readout=6,
    chunk=2,
    step_size=3,
    proprio=2,
)


def tiny_batch(seed, rows):
    """Observations of `TINY`, and chunks that depend on the instruction and on the robot's own state."""
    random = np.random.default_rng(seed)
    image, words = (
        random.integers(0, 256, (rows, 8, 8, 3), np.uint8),
        random.integers(1, 9, (rows, 3), np.int32),
    )
    proprio, zeros = random.normal(size=(rows, 2)).astype(np.float32), np.zeros(rows, np.float32)
    turned = np.tanh(np.where(words[:, :1] > 4, 1.0, -1.0) * proprio[:, :1]) * np.linspace(-0.8, 0.8, 6)
    seen = {"image": image, "instruction": words, "proprio": proprio}
    return Transition(seen, turned.astype(np.float32), zeros, zeros, seen, {})
