"""Networks of features beside those of images: the same numbers, without a backbone."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rankq_jax.networks import FAMILIES, VLA_PRESETS, integrating, merge, split
from rankq_jax.networks.vla.features import are_features, features
from rankq_jax.specs import TaskSpec
from tests.networks.vla_cases import TINY, spec_of


def shapes_of(preset, readout="flat"):
    """Networks of images, and the specification of a task of their features."""
    spec = spec_of(preset)
    networks = FAMILIES[preset](spec, (8,), readout=readout)
    row = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((1, *leaf.shape), leaf.dtype), spec.observation)
    params = jax.eval_shape(networks.policy.init, jax.random.key(0), row, None)
    found = jax.eval_shape(
        lambda params, row: features(networks.policy.flow.encode(params, row), row), params, row
    )
    seen = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), found)
    return networks, TaskSpec(seen, spec.action, spec.horizon)


# 2 L P d numbers of 2 bytes, P tokens of the image and 12 words: 2 4 60 32 2 and 2 2 24 32 2 bytes.
@pytest.mark.parametrize(
    ("preset", "kv", "readout"), [("vla-s", 30_720, 256), ("vla-xs", 6_144, 128), ("vla-state", 4_096, 128)]
)
def test_bytes_of_an_observation(preset, kv, readout):
    _, spec = shapes_of(preset)
    found = {name: leaf.size * leaf.dtype.itemsize for name, leaf in spec.observation.items()}
    tokens = kv // (2 * VLA_PRESETS[preset].depth * 32 * 2)
    assert found == {"kv": kv, "mask": tokens, "h": 2 * readout, "instruction": 48, "proprio": 28}


@pytest.fixture(scope="module")
def case():
    """Networks of images and of features of the same sizes, observations and both kinds of parameters."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(
            VLA_PRESETS,
            "vla-xs",
            TINY._replace(image=(48, 64), words=12, vocabulary=64, chunk=4, step_size=7, proprio=7),
        )
        images, spec = shapes_of("vla-xs")
        seen = FAMILIES["vla-xs"](spec, (8,))
    random = np.random.default_rng(0)
    observation = {
        "image": random.integers(0, 256, (5, 48, 64, 3), np.uint8),
        "instruction": np.where(np.arange(12) < 7, random.integers(1, 64, (5, 12)), 0).astype(np.int32),
        "proprio": random.normal(size=(5, 7)).astype(np.float32),
    }
    params = images.policy.init(jax.random.key(1), observation, None)
    stored = features(images.policy.flow.encode(params, observation), observation)
    return images, seen, observation, params, stored


def test_parameters_are_those_of_the_head(case):
    """The same key begins the same head, and nothing of the backbone is there."""
    _, seen, _, params, features = case
    head = seen.policy.init(jax.random.key(1), features, None)
    assert set(head) == {"velocity", "auxiliary"}
    jax.tree.map(np.testing.assert_array_equal, head, split(params)[1])


def test_actions_are_those_of_the_rounded_prefix(case):
    """Bit for bit where images give the same rounded prefix; half precision is 5e-4 of a number away."""
    images, seen, observation, params, stored = case
    flow = images.policy.flow

    def rounded(params, observation):
        prefix = flow.encode(params, observation)
        halves = [part.astype(jnp.float16).astype(jnp.float32) for part in (prefix.kv, prefix.h)]
        return prefix._replace(kv=halves[0], h=halves[1])

    head = split(params)[1]
    on_the_fly = integrating(flow._replace(encode=rounded), images.policy.init, 28)
    action = seen.policy.mode(head, stored)
    np.testing.assert_array_equal(action, on_the_fly.mode(params, observation))
    key = jax.random.key(2)
    np.testing.assert_array_equal(
        seen.policy.sample(head, stored, key)[0], on_the_fly.sample(params, observation, key)[0]
    )
    exact = images.policy.mode(params, observation)
    assert 0.0 < np.abs(action - exact).max() < 5e-3
    assert np.abs(exact).max() > 0.1


def test_the_prefix_is_rounded_once(case):
    images, seen, observation, params, stored = case
    exact, read = images.policy.flow.encode(params, observation), seen.policy.flow.encode({}, stored)
    for one, other in ((exact.kv, read.kv), (exact.h, read.h)):
        assert other.dtype == np.float32
        np.testing.assert_allclose(one, other, rtol=2.0**-11, atol=1e-7)
    np.testing.assert_array_equal(exact.mask, read.mask)


def test_critics_see_readout_and_place(case):
    """A critic of images whose backbone is that of the policy says the same, but for half precision."""
    images, seen, observation, params, stored = case
    own = seen.critic.init(jax.random.key(3), stored, np.zeros((5, 28), np.float32))
    action = np.random.default_rng(1).uniform(-1, 1, (5, 28)).astype(np.float32)
    theirs = images.critic.apply(merge(split(params)[0], own), observation, action)
    values = seen.critic.apply(own, stored, action)
    np.testing.assert_allclose(values, theirs, rtol=1e-2, atol=1e-4)
    assert np.std(values) > 0
    many = seen.critic.apply_to_set(own, stored, np.stack([action, -action], axis=1))
    np.testing.assert_allclose(many[:, :, 0], values, rtol=1e-5)
    number = seen.value.init(jax.random.key(4), stored)
    assert seen.value.apply(number, stored).shape == (5,)


def test_features_of_other_sizes_are_refused():
    _, spec = shapes_of("vla-xs")
    assert are_features(spec.observation) and not are_features(spec_of("vla-xs").observation)
    with pytest.raises(ValueError, match=r"the observation's kv is float16\[2,2,24,32\], and vla-s has"):
        FAMILIES["vla-s"](spec)
    with pytest.raises(ValueError, match=r"h is float16\[128\], and vla-xs has float16\[64\]"):
        FAMILIES["vla-xs"](spec, readout="mean")


def test_a_relative_action_is_the_difference_to_the_reference_in_thirds():
    """A critic that sees a beside b says what one that sees actions as they are says of 3 (a - b)."""
    _, spec = shapes_of("vla-xs")
    random = np.random.default_rng(0)
    row = jax.tree.map(lambda leaf: random.normal(size=(4, *leaf.shape)).astype(leaf.dtype), spec.observation)
    action, first = random.uniform(-1, 1, (2, 4, 28)).astype(np.float32)
    plain = FAMILIES["vla-xs"](spec, (8,)).critic
    relative = FAMILIES["vla-xs"](spec, (8,), critic_actions="relative").critic
    params = plain.init(jax.random.key(0), row, action)
    seen = {**row, "reference": first}
    found = relative.apply(params, seen, action)
    np.testing.assert_allclose(found, plain.apply(params, row, 3.0 * (action - first)), rtol=1e-5)
    several = relative.apply_to_set(params, seen, np.stack([action, first], axis=1))
    np.testing.assert_allclose(several[:, :, 0], found, rtol=1e-5)
    np.testing.assert_allclose(several[:, :, 1], plain.apply(params, row, np.zeros_like(action)), rtol=1e-5)
    assert are_features(seen) and np.std(found) > 0
