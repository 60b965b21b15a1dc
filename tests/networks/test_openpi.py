"""The adapter of pi0 models, on a model of openpi's layout: check A10, and what it sees."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rankq_jax.losses.flow import generate
from rankq_jax.networks import split
from rankq_jax.networks.openpi import CAMERAS, Look, parted, pi0_flow, pi0_policy, prompts, whole
from tests.networks import openpi_cases as cases

ROWS = 2
TEXTS = ("stack green on yellow", "stack yellow on green")
NUMBER = {"stack": 1, "green": 2, "on": 3, "yellow": 4}


def words(text):
    return [NUMBER[word] for word in text.split()] + [0, 0]


def tokenizer(text):
    """Tokens of another vocabulary, one of which begins a prompt."""
    tokens = [1, *(10 + 7 * NUMBER[word] for word in text.split())]
    return np.array(tokens + [0] * (cases.WORDS - len(tokens))), np.arange(cases.WORDS) < len(tokens)


LOOK = Look(prompts=prompts(TEXTS, words, tokenizer))


def observations(seed=0):
    random = np.random.default_rng(seed)
    return {
        "image": random.integers(0, 256, (ROWS, 224, 224, 3), np.uint8),
        "instruction": np.array([words(text) for text in TEXTS], np.int32),
        "proprio": random.normal(size=(ROWS, 7)).astype(np.float32),
    }


def seen_by_openpi(observation):
    """The same observation as openpi's own pipeline would make it, row by row."""
    image = observation["image"].astype(np.float32) / 255.0 * 2.0 - 1.0
    black = -np.ones_like(image)
    state = np.zeros((ROWS, cases.NUMBERS), np.float32)
    state[:, :7] = observation["proprio"]
    made = [tokenizer(text) for text in TEXTS]
    return cases.Seen(
        images=dict(zip(CAMERAS, (image, black, black), strict=True)),
        image_masks={name: np.full(ROWS, name == "base_0_rgb") for name in CAMERAS},
        state=state,
        tokenized_prompt=np.stack([tokens for tokens, _ in made]),
        tokenized_prompt_mask=np.stack([mask for _, mask in made]),
    )


@pytest.fixture(scope="module", params=[False, True], ids=["pi0", "pi05"])
def model(request):
    backend = cases.backend(request.param)
    return backend, cases.drawn(backend.shapes, 3)


@functools.cache
def compiled(pi05, chunk, size, masked=True):
    """The flow of a model, its parts compiled."""
    flow = pi0_flow(cases.backend(pi05), LOOK._replace(masked_cameras=masked), chunk, size)
    return flow._replace(encode=jax.jit(flow.encode), velocity=jax.jit(flow.velocity))


def integrated(params, observation, noise, steps, chunk, size, masked=True):
    flow, own = compiled("state_proj" not in params, chunk, size, masked), parted(params)
    prefix, proprio = flow.encode(own, observation), flow.proprio(observation)
    x = jnp.asarray(noise[:, :chunk, :size].reshape(ROWS, -1))
    return generate(lambda x, tau: flow.velocity(own, x, tau, prefix, proprio), x, steps)


@pytest.mark.parametrize("steps", [1, 10])
def test_the_adapter_moves_as_openpi_does(model, steps):
    """Check A10, with the whole action of the model."""
    _, params = model
    noise = np.random.default_rng(1).normal(size=(ROWS, cases.HORIZON, cases.NUMBERS)).astype(np.float32)
    observation = observations()
    wanted = cases.native(params, seen_by_openpi(observation), noise, steps)
    assert np.abs(wanted - noise).max() > 0.5  # it has moved
    found = integrated(params, observation, noise, steps, cases.HORIZON, cases.NUMBERS)
    np.testing.assert_allclose(found, wanted.reshape(ROWS, -1), atol=1e-5)


@pytest.mark.parametrize("steps", [1, 10])
def test_a_part_of_the_action(model, steps):
    """Check A10, with 4 x 7 numbers of the action and zeros in the others."""
    _, params = model
    keep = np.zeros((cases.HORIZON, cases.NUMBERS), bool)
    keep[:4, :7] = True
    noise = np.random.default_rng(2).normal(size=(ROWS, *keep.shape)).astype(np.float32)
    observation = observations()
    wanted = cases.native(params, seen_by_openpi(observation), noise, steps, keep)[:, :4, :7]
    found = integrated(params, observation, noise, steps, 4, 7)
    np.testing.assert_allclose(found, wanted.reshape(ROWS, 28), atol=1e-5)


def test_time_and_sign_run_the_other_way(model):
    _, params = model
    flow, own, observation = compiled("state_proj" not in params, 4, 7), parted(params), observations()
    prefix, x = flow.encode(own, observation), jnp.ones((ROWS, 28))
    found = flow.velocity(own, x, jnp.full(ROWS, 0.25), prefix, flow.proprio(observation))
    noisy = np.zeros((ROWS, cases.HORIZON, cases.NUMBERS), np.float32)
    noisy[:, :4, :7] = 1.0
    seen = seen_by_openpi(observation)
    wanted = cases.away(params, seen, noisy, np.full(ROWS, 0.75, np.float32))[:, :4, :7]
    np.testing.assert_allclose(found, -wanted.reshape(ROWS, 28), atol=1e-5)
    other = cases.away(params, seen, noisy, np.full(ROWS, 0.25, np.float32))[:, :4, :7]
    assert np.abs(other - wanted).max() > 1e-2  # the time matters


@cases.free
def test_the_prefix_are_rows(model):
    _, params = model
    prefix = compiled("state_proj" not in params, 4, 7).encode(parted(params), observations())
    tokens = 3 * 16 + cases.WORDS
    assert prefix.kv.shape == (ROWS, cases.DEPTH, 2, tokens, cases.SIZE)
    assert prefix.h.shape == (ROWS, cases.WIDTH) and prefix.h.dtype == jnp.float32
    np.testing.assert_array_equal(prefix.mask.sum(axis=1), [16 + 5, 16 + 5])
    # the readout is the mean of the tokens that there are
    own = cases.Model(params)
    embedded, there, _ = own.embed_prefix(seen_by_openpi(observations()))
    (out, _), _ = own.llm(
        [embedded, None], mask=there[:, None] & there[:, :, None], positions=jnp.cumsum(there, axis=1) - 1
    )
    wanted = [np.asarray(out[i])[np.asarray(there[i])].mean(axis=0) for i in range(ROWS)]
    np.testing.assert_allclose(prefix.h, wanted, atol=1e-5)


def test_cameras_that_are_left_out_change_nothing():
    params, noise = cases.drawn(cases.shapes(), 3), np.ones((ROWS, 5, 9), np.float32)
    a, b = (integrated(params, observations(), noise, 1, 4, 7, masked) for masked in (True, False))
    np.testing.assert_allclose(a, b, atol=1e-5)
    prefix = jax.eval_shape(compiled(False, 4, 7, False).encode, parted(params), observations())
    assert prefix.kv.shape[3] == 16 + cases.WORDS


def test_every_parameter_is_in_one_part(model):
    backend, params = model
    backbone, head = split(parted(params))
    paths = {jax.tree_util.keystr(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(params)}
    own = {jax.tree_util.keystr(p) for p, _ in jax.tree_util.tree_leaves_with_path(head["velocity"])}
    frozen = {jax.tree_util.keystr(p) for p, _ in jax.tree_util.tree_leaves_with_path(backbone["encoder"])}
    assert own | frozen == set(paths) and not own & frozen
    assert not any("img" in path or "embedder" in path for path in own)
    # by hand: of the transformer those with `_1`, and what projects actions, states and times
    assert own == {p for p in paths if "_1" in p.replace("Dense_0", "") or not p.startswith("['PaliGemma']")}
    jax.tree.map(np.testing.assert_array_equal, whole(parted(params), backend.shapes), params)


def test_each_half_needs_its_own_parameters_only(model):
    _, params = model
    flow, (backbone, head) = compiled("state_proj" not in params, 4, 7), split(parted(params))
    observation = observations()
    prefix = flow.encode(backbone, observation)
    x, tau, own = jnp.ones((ROWS, 28)), jnp.full(ROWS, 0.5), flow.proprio(observation)
    np.testing.assert_array_equal(
        flow.velocity(head, x, tau, prefix, own),
        flow.velocity({**backbone, **head}, x, tau, prefix, own),
    )


def test_a_policy_of_chunks():
    backend = cases.backend()
    policy = pi0_policy(backend, LOOK, steps=1)
    observation = observations()
    params = policy.init(jax.random.key(0), observation, np.zeros((ROWS, 28)))
    action = jax.jit(policy.mode)(params, observation)
    seen, zeros = seen_by_openpi(observation), np.zeros((ROWS, cases.HORIZON, cases.NUMBERS))
    wanted = cases.native(whole(params, backend.shapes), seen, zeros, 1)[:, :4, :7]
    assert np.abs(wanted).max() > 1.0  # it is clipped
    np.testing.assert_allclose(action, np.clip(wanted.reshape(ROWS, 28), -1.0, 1.0), atol=1e-5)
