"""Encoders of images and dictionaries in front of every network, and how they train."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from rankq_jax.agents import AGENTS, Optimizers, shift_images, train_encoder
from rankq_jax.agents.encoders import SharedWithoutCritic
from rankq_jax.lifting import jit_agent
from rankq_jax.networks import FAMILIES, VLA_PRESETS, encoder_of, merge, register_encoder, split
from rankq_jax.networks.encoders import ENCODERS, EncoderSizes, Flatten
from rankq_jax.networks.scorer import encoded_scorer, scorer
from rankq_jax.specs import TaskSpec, unit_box, vector
from rankq_jax.types import Agent, Transition

IMAGE = jax.ShapeDtypeStruct((12, 12, 3), np.dtype(np.uint8))
BOTH = TaskSpec({"proprio": vector(3), "image": IMAGE}, unit_box(2), 10)
TINY = {"hidden": (8,), "encoder_filters": (2, 3), "encoder_features": 4}
ROWS = 5


def images(seed, rows=ROWS):
    return np.random.default_rng(seed).integers(0, 256, (rows, 12, 12, 3), np.uint8, endpoint=False)


def observations(seed, rows=ROWS):
    proprio = np.random.default_rng(seed + 100).normal(size=(rows, 3)).astype(np.float32)
    return jax.tree.map(jnp.asarray, {"image": images(seed, rows), "proprio": proprio})


def batch(seed=0, rows=4):
    random = np.random.default_rng(seed)
    action = jnp.asarray(random.uniform(-0.9, 0.9, (rows, 2)), jnp.float32)
    ones = jnp.ones(rows, jnp.float32)
    extras = {
        "success": ones.at[0].set(0.0),
        "mc_return": -ones,
        "next_action": action,
        "preferred_action": action,
    }
    return Transition(
        observations(seed, rows), action, -ones, 0.9 * ones, observations(seed + 1, rows), extras
    )


def by_hand(tree, image):
    """Two convolutions of 3 x 3 by loops, the dense layer, the normalization and the tanh, for one image."""
    x = image.astype(np.float64) / 255
    for name, stride in (("convolution_0_stride_2", 2), ("convolution_1_stride_1", 1)):
        kernel, bias = (np.asarray(tree[name][part], np.float64) for part in ("kernel", "bias"))
        size = (x.shape[0] - 3) // stride + 1
        out = np.zeros((size, size, kernel.shape[3]))
        for i in range(size):
            for j in range(size):
                window = x[i * stride : i * stride + 3, j * stride : j * stride + 3]
                out[i, j] = np.einsum("abc,abcf->f", window, kernel) + bias
        x = np.maximum(out, 0)
    dense, norm = tree["projection"]["Dense_0"], tree["projection"]["LayerNorm_0"]
    x = x.ravel() @ np.asarray(dense["kernel"], np.float64) + np.asarray(dense["bias"], np.float64)
    x = (x - x.mean()) / np.sqrt(x.var() + 1e-6)
    return np.tanh(x * np.asarray(norm["scale"]) + np.asarray(norm["bias"]))


def test_the_cnn_is_what_it_says(key):
    encoder = encoder_of(IMAGE, "cnn", EncoderSizes((2, 3), 4))
    params = jax.jit(encoder.init)(key, images(0))
    params = jax.tree.map(
        lambda x: x + 0.1 * jax.random.normal(key, x.shape), params
    )  # biases that are not 0
    found = jax.jit(encoder.apply)(params, images(0))
    expected = [by_hand(params["params"], image) for image in images(0)]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_the_published_sizes_are_the_default(key):
    encoder = encoder_of(jax.ShapeDtypeStruct((64, 64, 9), np.uint8))
    shapes = jax.eval_shape(encoder.init, key, jnp.zeros((1, 64, 64, 9), jnp.uint8))["params"]
    kernels = [shapes[f"convolution_{i}_stride_{s}"]["kernel"].shape for i, s in enumerate((2, 1, 1, 1))]
    assert kernels == [(3, 3, 9, 32), (3, 3, 32, 32), (3, 3, 32, 32), (3, 3, 32, 32)]
    assert shapes["projection"]["Dense_0"]["kernel"].shape == (25 * 25 * 32, 50)


@pytest.mark.parametrize("family", sorted(set(FAMILIES) - set(VLA_PRESETS)))
def test_vectors_keep_their_networks(family, key):
    flat = FAMILIES[family](TaskSpec(vector(3), unit_box(2), 10), (8,))
    before = FAMILIES[family](2, (8,))
    given = jnp.ones((1, 3)), jnp.ones((1, 2))
    for name, count in {"policy": 2, "critic": 2, "value": 1}.items():
        ours, theirs = (
            str(jax.make_jaxpr(getattr(networks, name).init)(key, *given[:count]))
            for networks in (flat, before)
        )
        assert ours == theirs


@pytest.mark.parametrize("family", sorted(set(FAMILIES) - set(VLA_PRESETS)))
def test_every_network_of_every_family_has_an_encoder(family, key):
    networks, action = FAMILIES[family](BOTH, **TINY), jnp.zeros((ROWS, 2))

    def outputs(seen):
        policy = networks.policy.init(key, seen, action)
        critic = networks.critic.init(key, seen, action)
        value = networks.value.init(key, seen)
        density = networks.policy.log_density
        return (policy, critic, value), {
            "mode": networks.policy.mode(policy, seen),
            "sample": networks.policy.sample(policy, seen, key)[0],
            "density": action[:, 0] if density is None else density(policy, seen, action),
            "value": networks.value.apply(value, seen),
            "q": networks.critic.apply(critic, seen, action),
            "many": networks.critic.apply_to_set(critic, seen, jnp.zeros((ROWS, 3, 2))),
        }

    params, found = jax.eval_shape(outputs, observations(0))
    for tree in params:
        assert tree["encoder"]["params"]["encoders_image"]["convolution_0_stride_2"]["kernel"].shape == (
            3,
            3,
            3,
            2,
        )
    assert set(params[1]) == {"encoder", "heads"}
    assert {name: leaf.shape for name, leaf in found.items()} == {
        "mode": (5, 2), "sample": (5, 2), "density": (5,), "value": (5,), "q": (2, 5), "many": (2, 5, 3),
    }  # fmt: skip


def test_a_set_of_actions_equals_one_call_per_action(key):
    networks, seen = FAMILIES["cal_ql"](BOTH, **TINY), observations(0)
    critic = jax.jit(networks.critic.init)(key, seen, jnp.zeros((ROWS, 2)))
    many = jax.random.uniform(key, (ROWS, 3, 2))
    together = jax.jit(networks.critic.apply_to_set)(critic, seen, many)
    apply = jax.jit(networks.critic.apply)
    alone = [apply(critic, seen, many[:, i]) for i in range(3)]
    np.testing.assert_allclose(together, np.stack(alone, axis=-1), rtol=1e-4, atol=1e-5)
    other = {**seen, "image": observations(7)["image"]}  # the image changes what an action is worth
    assert not np.allclose(apply(critic, other, many[:, 0]), alone[0], atol=1e-6)
    text = str(jax.make_jaxpr(networks.critic.apply_to_set)(critic, seen, many))
    assert text.count("conv_general_dilated[") == 2  # two convolutions for 5 states, whatever the actions are


def test_features_stand_in_the_order_of_the_names(key):
    encoder = encoder_of(BOTH.observation, "auto", EncoderSizes((2, 3), 4))
    seen = observations(0)
    features = jax.jit(lambda seen: encoder.apply(encoder.init(key, seen), seen))(seen)
    assert features.shape == (ROWS, 4 + 3)
    np.testing.assert_array_equal(features[:, 4:], seen["proprio"])


def test_a_flow_of_features_has_its_encoder_in_the_backbone(key):
    policy, seen = FAMILIES["flow"](BOTH, **TINY).policy, observations(0)
    backbone, head = split(policy.init(key, seen, jnp.zeros((ROWS, 2))))
    assert list(backbone) == ["encoder"] and list(head) == ["velocity"]
    prefix = policy.flow.encode(backbone, seen)
    assert prefix.h.shape == (ROWS, 4 + 3) and prefix.kv.size == 0
    x, whole = jnp.zeros((ROWS, 2)), merge(backbone, head)
    for k in range(10):  # Euler steps from the mean of the noise
        tau = jnp.full((ROWS,), k / 10)
        x = x + policy.flow.velocity(head, x, tau, prefix, policy.flow.proprio(seen)) / 10
    np.testing.assert_allclose(policy.mode(whole, seen), jnp.clip(x, -1.0, 1.0), atol=1e-5)


def test_a_scorer_sees_images(key):
    encoder = encoder_of(BOTH.observation, "auto", EncoderSizes((2, 3), 4))
    scores = encoded_scorer(scorer((8,), 0.5), encoder)
    given = observations(0), jnp.zeros((ROWS, 2))
    found = jax.eval_shape(lambda: scores.apply(scores.init(key, *given), *given, key))
    assert found.shape == (ROWS,)


def test_identity_makes_one_vector_and_scales_images(key):
    encoder = encoder_of(BOTH.observation, "identity")
    seen = observations(0)
    features = encoder.apply(encoder.init(key, seen), seen)
    np.testing.assert_allclose(
        features[:, :432], np.asarray(seen["image"]).reshape(ROWS, -1) / 255.0, rtol=1e-6
    )


@pytest.mark.parametrize(
    ("observation", "choice", "words"),
    [
        (vector(3), "cnn", "for images"),
        (jax.ShapeDtypeStruct((10, 10, 3), np.uint8), "auto", "too small"),
        (jax.ShapeDtypeStruct((4, 24, 24, 3), np.uint8), "auto", "neither a vector nor an image"),
        (IMAGE, "resnet", "must be one of auto"),
    ],
)
def test_encoders_that_do_not_fit_are_refused(observation, choice, words):
    with pytest.raises(ValueError, match=words):
        encoder_of(observation, choice)


def test_other_encoders_are_given_or_registered(key, monkeypatch):
    class Mean(nn.Module):
        @nn.compact
        def __call__(self, x):
            return x.mean(axis=(1, 2)) / 255

    networks = FAMILIES["iql"](TaskSpec(IMAGE, unit_box(2), 10), (8,), encoder=Mean())
    params = jax.eval_shape(networks.policy.init, key, images(0), jnp.zeros((ROWS, 2)))
    assert params["params"]["MLP_0"]["Dense_0"]["kernel"].shape == (3, 8)
    monkeypatch.setattr("rankq_jax.networks.encoders.ENCODERS", dict(ENCODERS))
    register_encoder("plain", lambda leaf, sizes: Flatten())
    assert isinstance(encoder_of(IMAGE, "plain"), Flatten)


def trained(algorithm, how, updates=2, rule=optax.adam):
    """An agent, its first state and the one after some updates, all leaves on the host."""
    networks = FAMILIES[AGENTS[algorithm].networks](BOTH, **TINY)
    optimizers = Optimizers(*(rule(1e-2) for _ in range(4)))
    agent = train_encoder(AGENTS[algorithm].make, networks, optimizers, how)
    jitted, key = jit_agent(agent), jax.random.key(3)
    state = jitted.init(key, batch())
    first = jax.tree.map(np.array, state)
    for number in range(updates):
        buffers = [leaf.unsafe_buffer_pointer() for leaf in jax.tree.leaves(state) if leaf.size]
        assert len(set(buffers)) == len(buffers)
        state, _ = jitted.update(state, batch(number), jax.random.fold_in(key, number))
    return first, jax.tree.map(np.array, state)


def image_encoder(params):
    return params["encoder"]["params"]["encoders_image"]


def convolutions(params):
    return [
        leaf for name, part in image_encoder(params).items() if name != "projection" for leaf in part.values()
    ]


def projection(params):
    return image_encoder(params)["projection"]["Dense_0"]["kernel"]


def same(one, other):
    return all(
        np.array_equal(a, b) for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    )


def test_separate_encoders_are_trained_by_their_own_networks():
    before, after = trained("iql", "separate")
    for part in ("actor", "critic", "value"):
        ours, theirs = (convolutions(getattr(state, part).params) for state in (before, after))
        assert not same(ours, theirs)
    assert not same(convolutions(after.actor.params), convolutions(after.critic.params))


def test_a_shared_encoder_is_trained_by_the_critic_alone():
    before, after = trained("iql", "shared")
    for state in (before, after):
        for part in ("actor", "value"):
            params = getattr(state, part).params
            assert same(convolutions(params), convolutions(state.critic.params))
            assert not same(projection(params), projection(state.critic.params))
    assert not same(convolutions(before.critic.params), convolutions(after.critic.params))
    assert not same(projection(before.actor.params), projection(after.actor.params))  # its own goes on
    moments = [leaf for path, leaf in jax.tree_util.tree_leaves_with_path(after.actor.opt_state)
               if "convolution_0" in jax.tree_util.keystr(path)]  # fmt: skip
    assert moments and not any(moment.any() for moment in moments)  # no gradient reached the optimizer


def test_a_frozen_encoder_stays_whatever_the_optimizer_does():
    before, after = trained("iql", "frozen", rule=lambda rate: optax.adamw(rate, weight_decay=0.1))
    for part in ("actor", "critic", "value"):
        ours, theirs = getattr(before, part), getattr(after, part)
        assert same(ours.params["encoder"], theirs.params["encoder"])
        assert not same(ours.params, theirs.params)
    assert same(before.target_critic["encoder"], after.target_critic["encoder"])


def test_a_shared_encoder_needs_a_critic():
    agent = train_encoder(AGENTS["bc"].make, FAMILIES["td3"](BOTH, **TINY), Optimizers.adam(1e-3), "shared")
    with pytest.raises(SharedWithoutCritic, match="trained by the critic"):
        jax.eval_shape(agent.init, jax.random.key(0), batch())
    with pytest.raises(ValueError, match="separate"):
        trained("iql", "together")


def test_updates_see_images_moved_by_single_pixels(key):
    seen = []
    nothing = Agent(None, lambda state, batch, key: (seen.append(batch), {}), None, None, None)
    one = jnp.asarray(np.arange(4 * 6 * 7 * 2).reshape(4, 6, 7, 2).astype(np.uint8))
    given = batch()._replace(
        observation={"image": one, "proprio": jnp.ones((4, 3))},
        next_observation={"image": one, "proprio": None},
    )
    shift_images(nothing, 2).update(None, given, key)
    moved, after = np.asarray(seen[0].observation["image"]), np.asarray(seen[0].next_observation["image"])
    padded = np.pad(np.asarray(one), ((0, 0), (2, 2), (2, 2), (0, 0)), mode="edge")
    cuts = [[padded[row, y : y + 6, x : x + 7] for y in range(5) for x in range(5)] for row in range(4)]
    for row in range(4):
        assert any(np.array_equal(moved[row], cut) for cut in cuts[row])
    assert moved.dtype == np.uint8 and not np.array_equal(moved, after)
    np.testing.assert_array_equal(seen[0].observation["proprio"], 1.0)
