"""What datasets are made with: navigation, trained policies, shards."""

import json
import os
import signal

import numpy as np
import pytest

from rankq_jax.data.generate import policy, shards
from rankq_jax.data.generate.waypoints import Navigator, grid
from rankq_jax.errors import InputError
from rankq_jax.trained_policies import TrainedPolicy, save_policy
from rankq_jax.types import Episodes

# A corridor of three cells, 2 m each.
CORRIDOR = np.array([[0.0, 0.0], [2.0, 0.0], [4.0, 0.0]])


def navigator(rows=1, **changes):
    arguments = dict(radius=0.5, offset=0.0, goals=CORRIDOR[2:]) | changes
    return Navigator(grid(CORRIDOR, 2.0), rows, np.random.default_rng(0), **arguments)


def test_the_way_leads_from_cell_to_cell_to_the_goal():
    one = navigator(goals=np.array([[4.0, 0.0]]), offset=0.4)
    assert np.abs(one.goal - [4.0, 0.0]).max() <= 0.4
    np.testing.assert_array_equal(one.waypoint(np.array([[0.3, 0.1]])), [[2.0, 0.0]])
    np.testing.assert_array_equal(one.waypoint(np.array([[1.6, 0.1]])), [[4.0, 0.0]])  # cell by cell
    np.testing.assert_array_equal(one.waypoint(np.array([[3.1, 0.9]])), one.goal)


@pytest.mark.parametrize("linger", [0, 3])
def test_a_goal_is_replaced_so_many_steps_after_it_was_reached(linger):
    one = navigator(goals=CORRIDOR, offset=0.3, linger=linger)
    first = one.goal.copy()
    for _ in range(5):
        one.waypoint(first + 0.6)  # 0.85 m away: not reached
    np.testing.assert_array_equal(one.goal, first)
    places = [first + 0.1, *[first + 9.0] * linger]  # wandering off does not stop the count
    for place in places[:-1]:
        one.waypoint(place)
        np.testing.assert_array_equal(one.goal, first)
    one.waypoint(places[-1])
    assert not np.array_equal(one.goal, first)


def test_goals_come_from_the_given_cells_alone():
    many = navigator(rows=400, goals=CORRIDOR[[0, 2]], offset=0.0)
    assert {tuple(goal) for goal in many.goal} == {(0.0, 0.0), (4.0, 0.0)}


@pytest.fixture
def trained(tmp_path, monkeypatch):
    monkeypatch.setattr(policy, "FOLDER", tmp_path)
    kernels = (np.array([[1.0, -1.0], [0.0, 2.0]], np.float32), np.array([[0.5], [0.25]], np.float32))
    biases = (np.array([0.0, 1.0], np.float32), np.array([-0.1], np.float32))
    save_policy(TrainedPolicy(kernels, biases, {"env_steps": 7}), tmp_path / "tiny.npz")
    return tmp_path


def test_a_policy_computes_what_its_weights_say(trained):
    loaded = policy.load("tiny")
    # first layer: relu([2 + 0, -2 + 6 + 1]) = [2, 5]; then tanh(1 + 1.25 - 0.1)
    np.testing.assert_allclose(loaded(np.array([[2.0, 3.0]])), [[np.tanh(2.15)]], rtol=1e-6)
    # relu([-1, 1 - 2 + 1]) = [0, 0]
    np.testing.assert_allclose(loaded(np.array([[-1.0, -1.0]])), [[np.tanh(-0.1)]], rtol=1e-6)
    assert loaded.provenance == {"env_steps": 7}
    assert policy.exists("tiny") and not policy.exists("other")


def test_a_damaged_policy_is_named(trained):
    path = trained / "tiny.npz"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError, match=r"tiny\.npz: field"):
        policy.load("tiny")


def test_every_shipped_policy_tells_where_it_comes_from():
    found = sorted(policy.FOLDER.glob("*.npz"))
    assert found
    for path in found:
        about = policy.load(path.stem).provenance
        assert about["config"]["task"] and about["config"]["algorithm"] and about["commit"]
        assert json.dumps(about)


def episodes(value):
    flag = np.zeros(3, bool)
    rows = np.full((3, 2), value, np.float64)
    return Episodes(
        rows, rows[:, :1], rows[:, 0], rows + 1, flag, flag, flag, np.zeros(3, int), {"qpos": rows * 2}
    )


def one_shard(index, path):
    shards.save(episodes(index), path)


def failing_shard(index, path):
    if index == 2:
        raise InputError("the disk is full")
    one_shard(index, path)


def dying_shard(index, path):
    if index == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    one_shard(index, path)


def test_shards_come_back_as_they_were(tmp_path):
    shards.save(episodes(4), tmp_path / "a.npz")
    loaded = shards.load(tmp_path / "a.npz")
    for name, value in episodes(4)._asdict().items():
        if name == "info":
            np.testing.assert_array_equal(loaded.info["qpos"], value["qpos"])
        else:
            np.testing.assert_array_equal(getattr(loaded, name), value)
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]
    (tmp_path / "b.npz").write_bytes(b"PK")
    with pytest.raises(InputError, match=r"b\.npz: field"):
        shards.load(tmp_path / "b.npz")


def test_an_interrupted_collection_goes_on_after_the_shards_it_has(tmp_path):
    paths = [tmp_path / f"{index}.npz" for index in range(4)]
    with pytest.raises(InputError, match="disk is full"):
        shards.make(failing_shard, paths, processes=1)
    assert paths[0].exists() and paths[1].exists() and not paths[2].exists()
    marked = episodes(77)
    shards.save(marked, paths[0])  # what is there is not made again
    told = []
    shards.make(one_shard, paths, processes=2, done=told.append)
    assert sorted(told) == [0, 1, 2, 3]
    assert [shards.load(path).reward[0] for path in paths] == [77, 1, 2, 3]


def test_a_killed_worker_leaves_no_half_shard(tmp_path):
    paths = [tmp_path / f"{index}.npz" for index in range(2)]
    with pytest.raises(InputError, match=r"was killed.*making the same dataset again goes on"):
        shards.make(dying_shard, paths, processes=1)
    assert not paths[1].exists()


def test_weighted_goals_are_drawn_in_their_shares():
    places = np.array([[0.0, 0.0], [4.0, 0.0], [8.0, 0.0]])
    weights = np.array([0.01, 0.495, 0.495])
    rows = 20_000
    navigator = Navigator(
        grid(places, 4.0), rows, np.random.default_rng(0), radius=0.5, offset=0.0, weights=weights
    )
    counts = np.array([(navigator.goal == place).all(axis=1).sum() for place in places])
    assert (np.abs(counts - rows * weights) < 5 * np.sqrt(rows * weights * (1 - weights))).all()


def test_without_weights_goals_are_those_of_before():
    """Default datasets stay what they are: one draw of places, then one of offsets."""
    places, random = np.array([[0.0, 0.0], [4.0, 0.0], [8.0, 0.0]]), np.random.default_rng(7)
    navigator = Navigator(grid(places, 4.0), 50, np.random.default_rng(7), radius=0.5, offset=0.25)
    chosen = places[random.integers(3, size=50)]
    np.testing.assert_array_equal(navigator.goal, chosen + random.uniform(-1.0, 1.0, (50, 2)) * 0.25)
