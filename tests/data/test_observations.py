"""Images and dictionaries of arrays in files, buffers and statistics: in their own types, or refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rankq_jax.data import buffer as ring
from rankq_jax.data import export, rules
from rankq_jax.data.generate import shards, store
from rankq_jax.data.observations import apart
from rankq_jax.data.prepare import prepare
from rankq_jax.data.rules.recording import RULES
from rankq_jax.data.sources import read_one
from rankq_jax.data.sources.selection import Wanted
from rankq_jax.errors import InputError
from rankq_jax.lifting import normalize_observations
from rankq_jax.tasks import training_data
from rankq_jax.tasks.datasets import make_dataset
from rankq_jax.types import Agent, Transition
from tests.image_tasks import BOTH, DOT, IMAGE


@pytest.fixture(scope="module")
def episodes():
    return BOTH.generators["noisy"].make(60, 0, 1, lambda steps: None)


def alike(one, other, tolerance=0.0):
    assert jax.tree.structure(one) == jax.tree.structure(other)
    for ours, theirs in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        assert ours.dtype == theirs.dtype and ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance)


@pytest.mark.parametrize(("suffix", "layout"), [(".npz", "arrays"), (".hdf5", "arrays"), (".npz", "d4rl"),
                                                (".hdf5", "d4rl"), (".npz", "ogbench")])  # fmt: skip
def test_files_give_back_what_was_written(suffix, layout, episodes, tmp_path):
    path = tmp_path / f"own{suffix}"
    export.write(episodes, path, layout)
    found = read_one(str(path), Wanted(like=BOTH.spec.observation)).episodes
    assert found.observation["image"].dtype == np.uint8
    for field in ("observation", "next_observation", "action"):
        alike(getattr(found, field), getattr(episodes, field))
    if layout != "ogbench":
        np.testing.assert_array_equal(found.terminated, episodes.terminated)
        np.testing.assert_array_equal(found.reward, episodes.reward)


def test_a_file_has_the_arrays_under_names(episodes, tmp_path):
    export.write(episodes, tmp_path / "own.npz")
    with np.load(tmp_path / "own.npz") as file:
        np.testing.assert_array_equal(file["observations/image"], episodes.observation["image"])
        np.testing.assert_array_equal(file["next_observations/proprio"], episodes.next_observation["proprio"])


@pytest.mark.parametrize("task", [DOT, BOTH], ids=["image", "dictionary"])
def test_minari_gives_back_what_was_written(task, tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    recorded = task.generators["noisy"].make(40, 3, 1, lambda steps: None)
    store.write_minari(recorded, "own/set-v0", None)
    found = read_one("own/set-v0", Wanted(like=task.spec.observation)).episodes
    for field in (
        "observation",
        "next_observation",
        "action",
        "reward",
        "terminated",
        "truncated",
        "success",
    ):
        alike(getattr(found, field), getattr(recorded, field))


def test_shards_give_back_what_was_written(episodes, tmp_path):
    shards.save(episodes, tmp_path / "a.npz")
    alike(shards.load(tmp_path / "a.npz", BOTH.spec.observation), episodes)


def arrays(episodes):
    return {
        "observations": dict(episodes.observation),
        "next_observations": dict(episodes.next_observation),
        "actions": episodes.action,
        "rewards": episodes.reward,
        "terminals": episodes.terminated,
        "timeouts": episodes.truncated,
    }


def load(given):
    return training_data.load(BOTH, given, BOTH.transform, 0.99)


def test_arrays_of_a_program_train(episodes):
    data = load(arrays(episodes))
    assert data.observation["image"].dtype == np.uint8 and data.observation["proprio"].dtype == np.float32
    expected = prepare(episodes, BOTH.transform, 0.99)
    alike(data.observation, expected.observation)
    alike(data.next_observation, expected.next_observation)


def test_arrays_of_a_program_have_the_layouts_of_files(episodes, tmp_path):
    export.write(episodes, tmp_path / "own.npz", "ogbench")
    with np.load(tmp_path / "own.npz") as file:
        held = dict(file)
    (_, ours), (_, theirs) = (
        next(training_data.recordings(BOTH, given)) for given in (held, str(tmp_path / "own.npz"))
    )
    for field in ("observation", "next_observation", "action", "truncated"):
        alike(getattr(ours.episodes, field), getattr(theirs.episodes, field))


def test_keys_are_refused_where_nothing_is_joined(episodes):
    words = r"keys='proprio': observations of task '.*' are image uint8.*; leave keys out\.$"
    with pytest.raises(InputError, match=words):
        training_data.load(BOTH, arrays(episodes), BOTH.transform, 0.99, keys="proprio")


WRONG = {
    "floats": (lambda image: (image / 255).astype(np.float32), ("float32[24,24,3]", "uint8[24,24,3]")),
    "another size": (lambda image: image[:, ::2, ::2], ("uint8[12,12,3]", "uint8[24,24,3]")),
    "one channel": (lambda image: image[..., 0], ("uint8[24,24]", "uint8[24,24,3]")),
    "missing": (lambda image: None, ("is missing", "uint8[24,24,3]")),
}


@pytest.mark.parametrize(("change", "words"), WRONG.values(), ids=WRONG.keys())
@pytest.mark.parametrize("way", ["arrays", "file", "episodes"])
def test_wrong_images_are_refused_by_name(change, words, way, episodes, tmp_path):
    wrong = {**episodes.observation, "image": change(episodes.observation["image"])}
    wrong = {name: leaf for name, leaf in wrong.items() if leaf is not None}
    given = arrays(episodes) | {"observations": wrong}
    if way == "file":
        flat = {f"{key}/{name}": leaf for key in ("observations", "next_observations")
                for name, leaf in given.pop(key).items()}  # fmt: skip
        np.savez(tmp_path / "own.npz", **given, **flat)
        given = str(tmp_path / "own.npz")
    if way == "episodes":
        given = episodes._replace(observation=wrong)
    with pytest.raises(InputError) as caught:
        load(given)
    line = str(caught.value)
    assert "\n" not in line and "image'" in line
    for word in words:
        assert word in line, line


def test_an_image_that_ends_early_is_refused(episodes):
    short = {**episodes.observation, "image": episodes.observation["image"][:-1]}
    with pytest.raises(InputError, match="'observations/proprio' ends at index"):
        load(arrays(episodes) | {"observations": short})


def test_a_file_without_the_entry_says_what_is_needed(episodes, tmp_path):
    one = episodes._replace(
        observation=episodes.observation["image"], next_observation=episodes.next_observation["image"]
    )
    export.write(one, tmp_path / "own.npz")
    with pytest.raises(InputError, match="'observations/image' is missing; store uint8"):
        load(str(tmp_path / "own.npz"))


def test_rules_judge_every_array(episodes):
    recorded = rules.Recorded(episodes, 0, 2, spec=BOTH.spec)
    named = {rule.name: rule for rule in RULES}
    assert all(rule.test(recorded).ok is not False for rule in RULES)
    proprio = episodes.observation["proprio"].copy()
    proprio[7, 0] = np.nan
    broken = recorded._replace(
        episodes=episodes._replace(observation={**episodes.observation, "proprio": proprio})
    )
    found = named["finite"].test(broken)
    assert found.ok is False and found.row == 7 and "observation/proprio" in found.problem
    image = episodes.next_observation["image"].copy()
    row = int(np.flatnonzero(np.diff(episodes.episode) == 0)[5])  # the next one is of the same episode
    image[row, 0, 0, 0] += 1
    moved = recorded._replace(
        episodes=episodes._replace(next_observation={**episodes.next_observation, "image": image})
    )
    found = named["one_episode_per_row"].test(moved)
    assert found.ok is False and found.row == row


def test_images_that_differ_by_one_are_apart():
    one, other = np.zeros((3, 2, 2, 1), np.uint8), np.zeros((3, 2, 2, 1), np.uint8)
    one[1, 0, 0, 0], other[2, 1, 1, 0] = 1, 255
    assert apart(one, other).tolist() == [False, True, True]


def test_own_data_of_several_shards_is_made_and_read(tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    made, one = [], BOTH.generators["noisy"]._replace(shard_steps=30)
    task = BOTH._replace(generators={"noisy": one})

    def here(make, paths, processes, done):
        for index, path in enumerate(paths):
            shards.save(one.make(30, index, 1, lambda steps: None), path)
            made.append(path)

    monkeypatch.setattr(shards, "make", here)
    data = training_data.load(task, make_dataset(task, 60, 0), BOTH.transform, 0.99)
    assert len(made) == 2 and data.observation["image"].dtype == np.uint8 and len(data.reward) >= 50


def test_buffers_hold_images_as_bytes(episodes):
    rows = jax.tree.map(jnp.asarray, prepare(episodes, BOTH.transform, 0.99))
    held = ring.add(ring.init(rows, 200), rows, jnp.int32(len(rows.reward)))
    image = held.data.observation["image"]
    assert image.dtype == jnp.uint8 and image.shape == (200, *IMAGE.shape)
    np.testing.assert_array_equal(image[: len(rows.reward)], episodes.observation["image"])


def test_statistics_are_those_of_vectors(key):
    def agent_of(seen):
        act = lambda params, observation, key: seen.append(observation) or observation["proprio"]  # noqa: E731
        return Agent(lambda key, example: jnp.zeros(()), None, act, act, lambda state: state)

    seen, random = [], np.random.default_rng(0)
    proprio = random.normal(3.0, 2.0, (50, 2)).astype(np.float32)
    image = random.integers(0, 255, (50, 4, 4, 3)).astype(np.uint8)
    count = np.arange(50, dtype=np.int32)[:, None]
    observation = {"image": image, "proprio": proprio, "count": count}
    example = Transition(jax.tree.map(jnp.asarray, observation), None, None, None, None, {})
    agent = normalize_observations(agent_of(seen))
    state = agent.init(key, example)
    assert state.mean["image"] is None and state.mean["count"] is None
    agent.act_greedy(agent.params(state), example.observation, key)
    np.testing.assert_array_equal(seen[0]["image"], image)
    np.testing.assert_array_equal(seen[0]["count"], count)
    expected = (proprio - proprio.mean(axis=0)) / (proprio.std(axis=0) + 1e-3)
    np.testing.assert_allclose(seen[0]["proprio"], expected, rtol=1e-4, atol=1e-5)
