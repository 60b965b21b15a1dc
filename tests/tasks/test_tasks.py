"""Every task: builds, resets, steps, makes its own data, and goes back to any place in it."""

import numpy as np
import pytest

from rankq_jax.data import sources
from rankq_jax.data.episodes import snapshots
from rankq_jax.data.sources.minari import dataset_folder
from rankq_jax.envs import ant_maze
from rankq_jax.envs.streams import streams
from rankq_jax.errors import InputError
from rankq_jax.specs import seen
from rankq_jax.tasks import TASKS, ant_mazes, datasets, find, training_data
from rankq_jax.types import Episodes

EMPTY = Episodes(*[np.zeros((0, 4))] * 2, *[np.zeros(0)] * 6, {})
SIZES = {"pointmaze": (4, 2), "antmaze": (29, 8), "adroit-pen": (45, 24), "adroit-door": (39, 28),
         "adroit-relocate": (39, 30), "expert-ant": (29, 8), "expert-pen": (45, 24), "expert-door": (39, 28),
         "expert-relocate": (39, 30), "halfcheetah": (17, 6), "hopper": (11, 3), "walker2d": (17, 6),
         "expert-halfcheetah": (17, 6), "expert-hopper": (11, 3), "expert-walker2d": (17, 6)}  # fmt: skip
# One of every way of making data, and the least steps that it makes.
WAYS = [
    ("pointmaze-umaze", "waypoints", 300),
    ("antmaze-umaze-play", "waypoints", 1400),
    ("antmaze-medium-diverse", "waypoints-ending", 1000),
    ("adroit-pen", "mixture", 300),
    ("expert-pen", "demonstrations", 200),
    ("antmaze-medium-play", "waypoints-rare", 1000),
]


def test_the_benchmark_is_there():
    mazes = {
        f"antmaze-{size}-{kind}" for size in ("umaze", "medium", "large") for kind in ("play", "diverse")
    }
    assert mazes | {"adroit-pen", "adroit-door", "adroit-relocate"} <= set(TASKS)
    for task in mazes | {"adroit-pen"}:
        assert TASKS[task].generators, task


# Tables see images and words, see `tests/envs/test_tabletop*.py`.
@pytest.mark.parametrize("name", [name for name in sorted(TASKS) if not name.startswith("widowx")])
def test_a_task_resets_and_steps(name):
    task = find(name)
    env = task.environment(3, 1)
    size = next(size for prefix, size in SIZES.items() if name.startswith(prefix))
    assert (env.observation_size, env.action_size) == size
    state = env.reset(streams(4, 3))
    random = np.random.default_rng(0)
    for _ in range(5):
        state, step = env.step(state, random.uniform(-1, 1, (3, size[1])), np.ones(3, bool))
        assert np.isfinite(state.observation).all() and state.observation.shape == (3, size[0])
        if task.success is not None:
            assert set(step.reward) <= set(task.rewards)
            np.testing.assert_array_equal(step.reward == task.rewards[1], step.success)


@pytest.fixture(scope="module")
def made():
    """Names of one small dataset of every way."""
    return {way: datasets.make_dataset(find(way[0]), way[2], 5, kind=way[1]) for way in WAYS}


@pytest.mark.parametrize("way", WAYS, ids=lambda way: "-".join(map(str, way)))
def test_recorded_places_lead_to_the_recorded_future_bit_for_bit(made, way):
    task = find(way[0])
    recorded = sources.load(made[way], task.environment(1, 1).observation_size, simulator_state=True)
    length = int((recorded.episode == 0).sum())
    starts = np.array([length // 4, length // 2])  # two prefixes of the first episode
    steps = min(40, length - int(starts[1]) - 1)
    env = task.environment(3, 1)
    ids = np.array([2, 0])  # the rows that are moved; the other goes on by itself
    state = env.place(env.reset(streams(9, 3)), ids, snapshots(recorded, starts))
    np.testing.assert_array_equal(state.step[ids], starts)
    alive = np.ones(2, bool)
    for t in range(steps):
        action = np.zeros((3, env.action_size), np.float32)
        action[ids] = recorded.action[starts + t]
        state, step = env.step(state, action, np.ones(3, bool))
        expected = recorded.next_observation[starts + t]
        np.testing.assert_array_equal(step.next_observation[ids][alive], expected[alive])
        alive &= ~(step.terminated | step.truncated)[ids]
    assert alive.any()


@pytest.mark.parametrize("way", WAYS, ids=lambda way: "-".join(map(str, way)))
def test_own_data_holds_whole_episodes_of_at_least_so_many_steps(made, way):
    task = find(way[0])
    env = task.environment(1, 1)
    recorded = sources.load(made[way], env.observation_size)
    assert len(recorded.reward) >= way[2]
    lengths = np.bincount(recorded.episode)
    ends = recorded.terminated | recorded.truncated
    np.testing.assert_array_equal(np.flatnonzero(ends), np.cumsum(lengths) - 1)
    if way[1] == "waypoints-ending":
        np.testing.assert_array_equal(recorded.terminated, recorded.success)
    else:
        assert (lengths == env.horizon).all() and not recorded.terminated.any()
    assert (dataset_folder(made[way]) / "data").is_dir()
    assert not list(dataset_folder(made[way]).parents[1].glob(".*"))  # nothing unfinished is left


class Asked(Exception):
    """A maker of data has said which goals it wants."""


@pytest.mark.parametrize("kind", ["play", "diverse"])
@pytest.mark.parametrize("size", ["umaze", "medium", "large"])
def test_of_rare_goals_one_in_two_hundred_is_the_one_that_is_judged_by(size, kind, monkeypatch):
    seen = []

    def navigator(*arguments, goals, weights=None, **rest):
        seen.append((goals, weights))
        raise Asked

    monkeypatch.setattr(ant_mazes, "Navigator", navigator)
    task = find(f"antmaze-{size}-{kind}")
    for generator in task.generators.values():
        with pytest.raises(Asked):
            generator.make(1, 0, 1, lambda steps: None)
    asked = dict(zip(task.generators, seen, strict=True))
    goals, weights = asked.pop("waypoints-rare")
    judged = task.success(np.pad(goals, ((0, 0), (0, 27))))
    assert judged.sum() == 1 and weights[judged] == pytest.approx([0.005])
    assert weights.sum() == pytest.approx(1.0) and len(set(weights[~judged])) == 1
    assert len(asked) == 2 and all(weights is None for _, weights in asked.values())


def test_files_that_count_from_the_start_are_placed_with_a_shift(made):
    """D4RL's `infos/qpos` has the frame of the observation."""
    name = "antmaze-umaze-play"
    recorded = sources.load(made[WAYS[1]], 29, simulator_state=True)
    as_d4rl = recorded._replace(info={**recorded.info, "qpos": recorded.observation[:, :15]})
    env, rows = find(name).environment(2, 1), np.array([3, 40])
    shift = ant_maze.shift(ant_maze.ANT_MAZES["umaze"])
    np.testing.assert_array_equal(shift, [4.0, 4.0])
    state = env.place(env.reset(streams(0, 2)), np.arange(2), snapshots(as_d4rl, rows, shift))
    np.testing.assert_allclose(state.observation[:, :15], recorded.observation[rows, :15], atol=1e-12)


def test_demonstrations_succeed_and_the_mixture_has_failures(made):
    task = find("adroit-pen")
    shown = sources.load(made[WAYS[4]])
    assert all(shown.success[shown.episode == i].any() for i in range(shown.episode.max() + 1))
    np.testing.assert_array_equal(shown.success, task.success(shown.next_observation))
    mixed = sources.load(made[WAYS[3]])
    assert set(mixed.reward) <= {-1.0, 0.0}
    np.testing.assert_array_equal(mixed.reward == 0.0, task.success(mixed.next_observation))
    first = mixed.episode == 0
    assert mixed.success[first].any()  # the expert's


def test_shards_join_to_the_same_dataset_however_many_processes_work(tmp_path, monkeypatch):
    task, contents = find("antmaze-umaze-diverse"), []
    steps = task.generators["waypoints"].shard_steps + 700  # two shards
    for processes in (1, 2):
        root = tmp_path / str(processes)
        root.mkdir()
        monkeypatch.setenv("MINARI_DATASETS_PATH", str(root))
        told = []
        name = datasets.make_dataset(task, steps, 1, told.append, processes=processes)
        assert sum(told) == steps
        contents.append(sources.load(name))
        assert [path.name for path in root.glob(".*")] == []
    assert len(contents[0].reward) == steps
    for field in ("observation", "action", "reward", "next_observation", "episode"):
        np.testing.assert_array_equal(getattr(contents[0], field), getattr(contents[1], field))
    # Shards do not repeat one another.
    firsts = contents[0].observation[np.append(0, np.flatnonzero(np.diff(contents[0].episode)) + 1)]
    assert len(np.unique(firsts, axis=0)) == len(firsts)


@pytest.mark.parametrize("kind", ["play", "diverse"])
def test_play_and_diverse_differ_in_starts_and_goals(kind):
    task = find(f"antmaze-umaze-{kind}")
    episodes = task.generators["waypoints"].make(2800, 0, 1, lambda steps: None)
    goals = np.unique(episodes.info["desired_goal"].round(6), axis=0)
    # Goals lie up to 1 m from three corners, or around (0.75, 8.75), by which the data is judged.
    places = np.array([[0, 0], [8, 0], [8, 8], [0.75, 8.75]])
    distance = np.abs(goals[:, None] - places).max(axis=-1)
    corners = (distance <= [1.0, 1.0, 1.0, 0.25]).any(axis=1)
    assert corners.all() if kind == "play" else not corners.all()
    starts = episodes.observation[::700, :2]
    cells = 4 * np.round(starts / 4)
    assert np.abs(starts - cells).max() <= 1.1
    if kind == "play":  # never where a goal can be
        assert not (cells[:, None] == [[0, 0], [8, 0], [8, 8], [0, 8]]).all(axis=-1).any()


def test_tasks_without_data_of_their_own_say_so():
    with pytest.raises(InputError, match=r"adroit-door.*no dataset of its own"):
        datasets.make_dataset(find("adroit-door"), 100, 0)
    with pytest.raises(InputError, match=r"kind 'waypoint': .*task 'pointmaze-umaze'.*'waypoints'"):
        datasets.make_dataset(find("pointmaze-umaze"), 100, 0, kind="waypoint")


def test_an_unknown_reading_is_refused():
    with pytest.raises(InputError, match=r"unknown reading 'tasks'.*'task'"):
        training_data.label(find("pointmaze-umaze"), EMPTY, "tasks")


def test_every_episode_has_a_goal_of_its_own():
    """An ant whose episodes end at the goal must not be sent there again and again."""
    task = find("antmaze-umaze-play")
    episodes = task.generators["waypoints-ending"].make(4200, 2, 1, lambda steps: None)
    first = np.append(0, np.flatnonzero(np.diff(episodes.episode)) + 1)
    goals = episodes.info["desired_goal"][first]
    assert len(np.unique(goals, axis=0)) == len(goals) > 6
    ends = episodes.terminated | episodes.truncated
    assert ends[np.append(first[1:] - 1, -1)].all()
    assert first[-1] >= 4200  # episodes that were running when there were enough steps are there too


def test_shards_of_other_code_are_made_again(tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    task = find("antmaze-umaze-play")
    steps = task.generators["waypoints"].shard_steps + 700
    name = datasets.dataset_name(task, steps, 9)
    folder = tmp_path / f".shards-{name.replace('/', '-')}"
    folder.mkdir()
    (folder / "00000.npz").write_bytes(b"of another version")
    (folder / "maker").write_text("another version")
    assert datasets.make_dataset(task, steps, 9) == name
    assert len(sources.load(name).reward) == steps
    assert [path.name for path in tmp_path.glob(".*")] == []


def test_half_precision_of_a_dataset_becomes_single():
    """A third is 0.3333 in half precision, and stays it. What environments store in half is not touched."""
    task = find("pointmaze-umaze")
    size = task.spec.observation_size
    third = np.full((4, size), 1 / 3, np.float16)
    flags = {"rewards": np.zeros(4), "terminals": np.arange(4) == 3, "next_observations": third}
    arrays = {"observations": third, "actions": np.zeros((4, 2), np.float32), **flags}
    ((_, recorded),) = training_data.recordings(task, arrays)
    for found in (recorded.episodes.observation, recorded.episodes.next_observation):
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, np.float32(0.33325195))
    kept = seen({"h": third, "proprio": np.zeros(3)})
    assert kept["h"].dtype == np.float16 and kept["proprio"].dtype == np.float32
