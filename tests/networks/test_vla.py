import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rankq_jax.networks import FAMILIES, VLA_PRESETS, merge, split
from tests.networks.vla_cases import joint, observations, spec_of

ROWS = 3


def count(tree):
    return sum(leaf.size for leaf in jax.tree.leaves(tree))


def shapes(preset, **arguments):
    policy = FAMILIES[preset](spec_of(preset), **arguments).policy
    return jax.eval_shape(policy.init, jax.random.key(0), observations(preset, 1), jnp.zeros((1, 28)))


@pytest.mark.parametrize(
    ("preset", "backbone", "head"), [("vla-s", 862_800, 448_711), ("vla-xs", 104_088, 54_439)]
)
def test_the_numbers_of_parameters(preset, backbone, head):
    """Check A11; the auxiliary heads of imitation are no part of the policy."""
    first, rest = split(shapes(preset))
    assert count(first) == backbone and count(rest["velocity"]) == head
    assert count(rest["auxiliary"]) == VLA_PRESETS[preset].flat_readout * 35 + 35
    assert backbone + head == {"vla-s": 1_311_511, "vla-xs": 158_527}[preset]
    assert merge(first, rest).keys() == shapes(preset).keys()


@pytest.mark.parametrize(
    ("preset", "inputs", "each"), [("vla-s", 256 + 7 + 28, 206_593), ("vla-xs", 128 + 7 + 28, 173_825)]
)
def test_the_numbers_of_parameters_of_critics(preset, inputs, each):
    """Check A11: of three layers of 256, which see the readout, the robot's own state and the chunk."""
    networks, seen = FAMILIES[preset](spec_of(preset), critic_hidden=(256,) * 3), observations(preset, 1)
    made = jax.eval_shape(networks.critic.init, jax.random.key(0), seen, jnp.zeros((1, 28)))
    heads = {name: part for name, part in made.items() if name != "encoder"}
    assert count(heads) == 2 * each == 2 * ((inputs + 1) * 256 + 2 * 257 * 256 + 257)
    assert count(made["encoder"]) == {"vla-s": 862_800, "vla-xs": 104_088}[preset]


@pytest.mark.parametrize(("preset", "width", "readout"), [("vla-s", 128, "mean"), ("vla-xs", 64, "last")])
def test_a_readout_that_is_pooled_is_as_wide_as_a_token(preset, width, readout):
    flat, first = split(shapes(preset))[0], shapes(preset, readout=readout)
    learned = {"vla-s": (128, 48, 16, 256), "vla-xs": (64, 12, 8, 128)}[preset]
    w, tokens, each, h = learned  # two dense layers and a normalization less
    less = (w + 1) * each + (tokens * each + 1) * h + 2 * h
    assert count(first["encoder"]) == count(flat) - less
    assert count(first["auxiliary"]) == (width + 1) * 35
    networks, seen = FAMILIES[preset](spec_of(preset), (8,), readout=readout), observations(preset, 1)
    critic = jax.eval_shape(networks.critic.init, jax.random.key(0), seen, jnp.zeros((1, 28)))
    entries = [leaf.shape for leaf in jax.tree.leaves({k: v for k, v in critic.items() if k != "encoder"})]
    assert (2, width + 7 + 28, 8) in entries  # two members see the readout, the robot's own state, the chunk


@pytest.mark.parametrize("readout", ["mean", "last"])
def test_a_pooled_readout_by_hand(network, readout):
    _, params, seen = network
    sizes = VLA_PRESETS["vla-xs"]._replace(readout=readout)
    flow = FAMILIES["vla-xs"](spec_of("vla-xs"), readout=readout).policy.flow
    prefix = jax.jit(flow.encode)(params, seen)
    assert prefix.h.shape == (ROWS, 64) and len(set(np.sum(seen["instruction"] > 0, axis=1))) > 1
    for row in range(ROWS):
        own = {name: leaf[row] for name, leaf in seen.items()}
        _, h = joint(params, sizes, own, np.zeros(28), 0.0)
        np.testing.assert_allclose(prefix.h[row], h, atol=1e-4)


def test_a_state_in_place_of_an_image():
    # as vla-xs, with 4 tokens of a state of 5 numbers: no stem, no image positions, a third of the readout
    xs, first = split(shapes("vla-xs"))[0], split(shapes("vla-state"))[0]
    stem, positions, readout = 784 + 2080 + 8256 + 96, 12 * 64, 12 * 8 * 128
    assert count(first) == count(xs) - stem - positions - readout + (5 + 1) * 4 * 64 + 4 * 64 + 4 * 8 * 128


@pytest.fixture(scope="module")
def network():
    """The flow of vla-xs, parameters none of which is zero or one, and observations."""
    policy, seen = FAMILIES["vla-xs"](spec_of("vla-xs")).policy, observations("vla-xs", ROWS)
    params = jax.jit(policy.init)(jax.random.key(0), seen, jnp.zeros((ROWS, 28)))
    random = np.random.default_rng(1)
    params = jax.tree.map(lambda leaf: leaf + random.normal(0.0, 0.05, leaf.shape).astype(np.float32), params)
    return (
        policy.flow._replace(encode=jax.jit(policy.flow.encode), velocity=jax.jit(policy.flow.velocity)),
        params,
        seen,
    )


def test_cached_keys_and_values_give_the_velocity_of_a_joint_pass(network):
    """Check A11."""
    flow, params, seen = network
    random = np.random.default_rng(2)
    x, tau = random.normal(size=(ROWS, 28)).astype(np.float32), np.array([0.0, 0.3, 0.9], np.float32)
    backbone, head = split(params)
    prefix = flow.encode(backbone, seen)
    assert prefix.kv.shape == (ROWS, 2, 2, 24, 32) and prefix.h.shape == (ROWS, 128)
    np.testing.assert_array_equal(prefix.mask[:, 12:], seen["instruction"] > 0)
    found = flow.velocity(head, x, tau, prefix, flow.proprio(seen))
    for row in range(ROWS):
        own = {name: leaf[row] for name, leaf in seen.items()}
        velocity, h = joint(params, VLA_PRESETS["vla-xs"], own, x[row], float(tau[row]))
        np.testing.assert_allclose(found[row], velocity, atol=1e-4)
        np.testing.assert_allclose(prefix.h[row], h, atol=1e-4)


def test_padding_changes_nothing_and_words_do(network):
    flow, params, seen = network
    x, tau = np.zeros((ROWS, 28), np.float32), np.zeros(ROWS, np.float32)

    def velocity(words):
        prefix = flow.encode(params, {**seen, "instruction": words})
        return np.asarray(flow.velocity(params, x, tau, prefix, seen["proprio"]))

    noisy = jax.tree.map(np.asarray, flow.encode(params, seen))
    there = noisy.mask[:, None, None, :, None]
    noisy = noisy._replace(kv=np.where(there, noisy.kv, 7.0).astype(np.float32))
    plain = velocity(seen["instruction"])
    np.testing.assert_allclose(flow.velocity(params, x, tau, noisy, seen["proprio"]), plain, atol=1e-6)
    other = np.where(seen["instruction"] > 0, 1 + seen["instruction"] % 63, 0).astype(np.int32)
    assert np.abs(velocity(other) - plain).max() > 1e-3


def test_the_order_of_words_is_seen_from_the_start():
    """Of two cubes the words are the same in both directions: only their order tells which one is moved."""
    policy, seen = FAMILIES["vla-xs"](spec_of("vla-xs")).policy, observations("vla-xs", 1)
    draw = jax.vmap(lambda key: policy.init(key, seen, jnp.zeros((1, 28))))
    params = jax.jit(draw)(jax.random.split(jax.random.key(0), 8))
    sentences = np.array(
        [[6, 2, 7, 8, 14, 2, 9, 8], [6, 2, 9, 8, 14, 2, 7, 8], [20, 21, 30, 31, 40, 41, 50, 51]]
    )
    words = np.zeros((3, 12), np.int32)
    words[:, :8] = sentences
    image, own = (np.repeat(seen[name], 3, axis=0) for name in ("image", "proprio"))
    look = {"image": image, "instruction": words, "proprio": own}
    h = np.asarray(jax.jit(jax.vmap(lambda p: policy.flow.encode(p, look).h))(params))  # [8, 3, H]
    turned, others = (np.linalg.norm(h[:, i] - h[:, 0], axis=-1).mean() for i in (1, 2))
    assert turned > 0.2 * others


def test_observations_and_actions_of_another_kind_are_refused():
    spec, small = spec_of("vla-xs"), spec_of("vla-s")
    cases = {
        r"observation's image is uint8\[96,128,3\], and vla-xs has uint8\[48,64,3\]": small,
        r"an action has the shape \[14\], and vla-xs has \[28\], a chunk of 4 steps of 7": spec_of(
            "vla-xs", 14
        ),
        r"vla-xs sees observations with image, instruction, proprio, and those of the task are a vector": 28,
        r"no image, which vla-xs has as uint8\[48,64,3\]": spec_of("vla-state"),
        r"observation's instruction is int32\[9\], and vla-xs has int32\[12\]": spec._replace(
            observation={**spec.observation, "instruction": jax.ShapeDtypeStruct((9,), np.dtype(np.int32))}
        ),
    }
    for message, wrong in cases.items():
        with pytest.raises(ValueError, match=message):
            FAMILIES["vla-xs"](wrong)
    with pytest.raises(ValueError, match="vla-xs has its own backbone; leave encoder out"):
        FAMILIES["vla-xs"](spec, encoder="cnn")


def test_words_beyond_the_vocabulary_are_refused():
    refuse, seen = FAMILIES["vla-xs"](spec_of("vla-xs")).policy.flow.refuse, observations("vla-xs", 2)
    refuse(seen)
    seen["instruction"][1, 0] = 64
    with pytest.raises(
        ValueError, match="instruction has the token 64, and the vocabulary of the networks is 0 to 63"
    ):
        refuse(seen)
