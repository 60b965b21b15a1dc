"""Checkpoints of openpi's layout: what is read, what is refused, and what they take."""

import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
import pytest

from rankq_jax.checkpoints import openpi as checkpoint
from rankq_jax.errors import InputError
from rankq_jax.networks import openpi
from rankq_jax.networks.openpi import openpi_backend, parted, pi0_policy
from rankq_jax.training import openpi as door
from tests.networks import openpi_cases as cases
from tests.networks.test_openpi import LOOK, observations, seen_by_openpi

STATISTICS = {"mean": [0.0] * 7, "std": [1.0] * 7, "q01": [-1.0] * 7, "q99": [1.0] * 7}


def written(folder, params, trained=False):
    """A step of openpi: `params/` below the one root `params`, statistics, and a state of training."""
    tree = jax.tree.map(lambda leaf: {"value": leaf}, params) if trained else params
    with ocp.PyTreeCheckpointer() as writer:
        writer.save(folder.absolute() / "params", {"params": tree})
    (folder / "assets" / "robot").mkdir(parents=True)
    (folder / "assets" / "robot" / "norm_stats.json").write_text(
        json.dumps({"norm_stats": {"actions": STATISTICS, "state": STATISTICS}})
    )
    (folder / "train_state").mkdir()
    return folder


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A run with two steps, both kinds of layout, and the parameters of the newest."""
    run = tmp_path_factory.mktemp("run")
    old, new = (cases.drawn(cases.shapes(), seed) for seed in (1, 2))
    written(run / "900", old)
    written(run / "1000", new, trained=True)
    return run, old, new


def spec():
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape[1:], x.dtype), observations())


def load(folder, backend=None, **arguments):
    lines = []
    backend = cases.backend() if backend is None else backend
    return door.load_pi0(folder, backend, LOOK, spec(), tell=lines.append, **arguments), lines


def test_the_newest_step_of_a_run(saved):
    run, _, new = saved
    found, lines = load(run, backbone_type="float32", steps=1)
    jax.tree.map(np.testing.assert_array_equal, found.params, parted(new))
    assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(found.params))
    assert set(found.statistics) == {"actions", "state"}
    np.testing.assert_array_equal(found.statistics["state"].q99, np.ones(7))
    assert len(lines) == 1 and lines[0].endswith("in all")
    seen, zeros = observations(), np.zeros((2, cases.HORIZON, cases.NUMBERS), np.float32)
    wanted = cases.native(new, seen_by_openpi(seen), zeros, 1)[:, :4, :7].reshape(2, 28)
    action = jax.jit(found.policy.mode)(found.params, seen)
    np.testing.assert_allclose(action, np.clip(wanted, -1.0, 1.0), atol=1e-5)


def test_one_step_with_a_backbone_in_half_precision(saved):
    run, old, _ = saved
    found, _ = load(run / "900")
    table, wanted = (
        tree["PaliGemma"]["llm"]["embedder"]["input_embedding"] for tree in (found.params["encoder"], old)
    )
    assert table.dtype == jnp.bfloat16
    np.testing.assert_allclose(np.asarray(table, np.float32), wanted, rtol=2**-8)
    np.testing.assert_array_equal(
        found.params["velocity"]["action_in_proj"]["kernel"], old["action_in_proj"]["kernel"]
    )


def test_adapters_of_a_checkpoint(saved):
    run, *_ = saved
    found, lines = load(run, lora_rank=2, backbone_type="float32", steps=1)
    plain, _ = load(run, backbone_type="float32", steps=1)
    seen = observations()
    np.testing.assert_array_equal(
        jax.jit(found.policy.mode)(found.params, seen), jax.jit(plain.policy.mode)(plain.params, seen)
    )
    assert "optimizer of the adapters" in lines[0]


def test_leaves_that_do_not_fit(tmp_path):
    params = cases.drawn(cases.shapes())
    del params["PaliGemma"]["llm"]["layers"]["attn"]["q_einsum_1"]
    del params["state_proj"]["bias"]
    params["action_in_proj"]["kernel"] = np.ones((14, 64), np.float32)
    params["action_out_proj"] = {"kernel": np.ones((64, 14), np.float32), "bias": np.ones(14, np.float32)}
    written(tmp_path / "5", {**params, "more": {"w": np.ones(3)}})
    with pytest.raises(InputError) as caught:
        load(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path / '5'}: PaliGemma/llm/layers/attn/q_einsum_1/w is missing, action_in_proj/kernel is "
        "[14, 64] in place of [9, 64], action_out_proj/bias is [14] in place of [9], and 2 more; choose the "
        "variant and the fields of the model that it was trained with."
    )


def test_a_leaf_that_nobody_asks_for(tmp_path):
    params = cases.drawn(cases.shapes())
    written(tmp_path, {**params, "more": {"w": np.ones(3, np.float32)}})
    found, _ = load(tmp_path, backbone_type="float32")
    jax.tree.map(np.testing.assert_array_equal, found.params, parted(params))


def test_another_model_is_refused_before_anything_is_read(saved, monkeypatch):
    run, *_ = saved
    monkeypatch.setattr(checkpoint, "read", None)
    with pytest.raises(InputError, match=r"scale is missing|kernel is missing"):
        load(run, cases.backend(pi05=True))


def test_what_is_no_checkpoint(tmp_path):
    with pytest.raises(InputError, match="has no folder params, and no step that has one"):
        load(tmp_path)
    (tmp_path / "params").mkdir()
    (tmp_path / "params" / "_METADATA").write_text("{")
    with pytest.raises(InputError, match="cannot be read") as caught:
        load(tmp_path)
    assert "\n" not in str(caught.value)


def test_an_array_that_is_damaged(tmp_path):
    written(tmp_path, cases.drawn(cases.shapes()))
    for path in (tmp_path / "params").rglob("*"):
        if path.is_file() and path.parent.name == "d":
            path.write_bytes(b"\0" * 16)
    with pytest.raises(InputError, match="cannot be read"):
        load(tmp_path)


def sizes(tree):
    return sum(np.prod(leaf.shape) for leaf in jax.tree.leaves(tree))


def test_what_a_policy_takes():
    """Bytes by hand: 2 of a number of the backbone, 4 of the head's, and two moments and a gradient of 4."""
    backend, seen = cases.backend(), spec()
    policy = pi0_policy(backend, LOOK)
    parts = {part.what: part.size for part in door.estimate(backend, policy, seen, observations=26)}
    head = 9 * 64 + 64 + 64 * 9 + 9 + 9 * 64 + 64 + 128 * 64 + 64 + 64 * 64 + 64
    head += 4 * (8 * 64 * 16 + 2 * 64 * 16 + 8 * 16 * 64 + 2 * 64 * 128 + 128 * 64 + 2 * 64) + 64
    every = sizes(backend.shapes)
    assert parts["the parameters of the head"] == 4 * head
    assert parts["the parameters of the backbone"] == 2 * (every - head)
    tokens = 3 * 16 + cases.WORDS
    prefix = 4 * (4 * 2 * tokens * 16) + tokens + 4 * 64  # the model computes in float32
    assert parts["keys, values and readout of an observation"] == prefix
    assert parts["those of the observations that are kept"] == 26 * prefix
    assert parts["gradient and optimizer of the head"] == 12 * head
    less = {part.what: part.size for part in door.estimate(backend, policy, seen, lora_rank=1)}
    adapters = 9 + 64 + 64 + 9 + 9 + 64 + 128 + 64 + 64 + 64
    adapters += 4 * (8 * (64 + 16) + 2 * (64 + 16) + 8 * (16 + 64) + 2 * (64 + 128) + (128 + 64))
    assert less["gradient and optimizer of the adapters"] == 12 * adapters
    assert less["the adapters and the head with them"] == 4 * (adapters + head)


def test_too_little_memory(saved, monkeypatch):
    run, *_ = saved
    monkeypatch.setattr(door, "available", lambda: 20e6)
    monkeypatch.setattr(checkpoint, "read", None)
    with pytest.raises(InputError) as caught:
        load(run, observations=10_000)
    text = str(caught.value)
    assert text.startswith(f"{run / '1000'}: those of the observations that are kept would take ")
    assert "(observations=10000)" in text and "20 MB are available" in text and "\n" not in text


def test_without_openpi(monkeypatch):
    monkeypatch.setitem(sys.modules, "openpi", None)
    with pytest.raises(InputError, match="openpi: cannot be imported") as caught:
        openpi_backend("pi0")
    assert "docs/openpi.md" in str(caught.value) and "\n" not in str(caught.value)
    with pytest.raises(ValueError, match="variant"):
        openpi_backend("pi1")
    assert openpi.VARIANTS == ("pi0", "pi05")


def blocks():
    """`{file name: code}` of the document."""
    text = (Path(__file__).resolve().parents[1] / "docs" / "openpi.md").read_text()
    return dict(re.findall(r"```python\n# (\S+)\n(.*?)```", text, flags=re.DOTALL))


def test_the_document_runs_as_it_stands(saved, monkeypatch, tmp_path):
    """With the small model in the place of openpi's."""
    code = blocks()
    assert list(code) == ["pi0.py", "adapters.py"]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "pi0_bridge").symlink_to(saved[0])

    class Tokenizer:
        def tokenize(self, text):
            return np.full(cases.WORDS, len(text) % cases.VOCABULARY), np.ones(cases.WORDS, bool)

    theirs = SimpleNamespace(PaligemmaTokenizer=Tokenizer)
    monkeypatch.setitem(sys.modules, "openpi", SimpleNamespace(models=None))
    monkeypatch.setitem(sys.modules, "openpi.models", SimpleNamespace(tokenizer=theirs))
    monkeypatch.setitem(sys.modules, "openpi.models.tokenizer", theirs)
    monkeypatch.setattr(openpi, "openpi_backend", lambda variant: cases.backend(variant == "pi05"))
    made = {}
    exec(code["pi0.py"], made)
    spec = made["task"].spec.observation
    seen = jax.tree.map(lambda leaf: np.zeros((3, *leaf.shape), leaf.dtype), spec)
    shapes = jax.eval_shape(made["act"], made["pi0"].params, seen, jax.random.key(0))
    assert shapes[0].shape == (3, 28) and "adapters" in made["pi0"].params
    prefix = jax.eval_shape(made["prefix"], made["pi0"].params, seen)
    assert prefix.kv.shape == (3, 4, 2, 16 + cases.WORDS, 16)
    exec(code["adapters.py"], made)
    assert made["agent"].name == "flow_bc"
