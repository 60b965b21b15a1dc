"""A real dataset on disk, and what happens when somebody spoils it."""

import json
import shutil

import h5py
import minari
import numpy as np
import pytest

from rankq_jax import files, tasks
from rankq_jax.cli.main import execute
from rankq_jax.data.generate import store
from rankq_jax.data.sources.minari import dataset_folder, load_minari
from rankq_jax.data.validate import check_outcomes, check_recording
from rankq_jax.errors import InputError
from rankq_jax.tasks.datasets import dataset_name, generator_of, is_made, make_dataset
from rankq_jax.tasks.training_data import load as load_for

TASK = tasks.find("pointmaze-umaze")


@pytest.fixture(scope="module")
def dataset():
    return make_dataset(TASK, 6_000, 3)


@pytest.fixture
def spoiled(dataset, request):
    """A copy of the dataset under another name, and its HDF5 file."""
    name = f"spoiled/{abs(hash(request.node.name)) % 10**8}-v0"
    folder = dataset_folder(name)
    shutil.copytree(dataset_folder(dataset), folder)
    yield name, folder / "data" / "main_data.hdf5"
    shutil.rmtree(folder)


def load(name):
    return load_for(TASK, name, TASK.transform, 0.99)


def test_minari_reads_what_was_written(dataset):
    stored = minari.load_dataset(dataset)
    assert stored.total_steps == 6_000 and stored.total_episodes == 20
    episode = stored[0]
    assert episode.observations["observation"].shape == (301, 4)
    assert not episode.terminations.any() and episode.truncations[-1]
    env = stored.recover_environment(eval_env=True)
    observation, _ = env.reset(seed=0)
    assert observation["desired_goal"] == pytest.approx([-1.0, -1.0], abs=0.26)
    env.close()


def test_the_loader_returns_the_numbers_on_disk(dataset):
    episodes = load_minari(dataset)
    with h5py.File(dataset_folder(dataset) / "data" / "main_data.hdf5") as file:
        written = file["episode_7"]["observations"]["observation"][:]
        actions = file["episode_7"]["actions"][:]
    mine = episodes.episode == 7
    np.testing.assert_array_equal(episodes.observation[mine], written[:-1])
    np.testing.assert_array_equal(episodes.next_observation[mine], written[1:])
    np.testing.assert_array_equal(episodes.action[mine], actions)


def test_the_sanity_list(dataset):
    data = load(dataset)
    jump = np.linalg.norm(data.next_observation[:, :2] - data.observation[:, :2], axis=1)
    assert jump.max() < 0.1  # 5 m/s per axis for 0.01 s: no transition crosses an episode
    assert set(np.unique(data.reward)) == {-1.0, 0.0}
    assert (data.discount == 0).sum() == (data.reward == 0).sum() > 0  # as many ends as successes
    failed = data.extras["success"] == 0
    np.testing.assert_allclose(data.extras["mc_return"][failed], -100.0, rtol=1e-4)
    assert (data.extras["mc_return"][~failed] > -100.0).all()
    assert data.extras["mc_return"].max() == 0.0
    assert 0.0 < data.extras["success"].mean() < 1.0
    inside = np.linalg.norm(data.observation[:, :2] - [-1.0, -1.0], axis=1) <= 0.45
    assert not inside.any()  # a terminating environment never starts a step there


def test_generation_depends_on_the_seed_alone(dataset):
    make = generator_of(TASK)[1].make
    again, other = (make(6_000, seed, 1, lambda steps: None) for seed in (3, 4))
    np.testing.assert_array_equal(again.observation, load_minari(dataset).observation)
    assert not np.array_equal(again.observation, other.observation)


def test_an_existing_dataset_is_not_written_over(dataset):
    before = (dataset_folder(dataset) / "data" / "main_data.hdf5").read_bytes()
    with pytest.raises(InputError, match="exists already"):
        make_dataset(TASK, 6_000, 3)
    assert (dataset_folder(dataset) / "data" / "main_data.hdf5").read_bytes() == before


def test_a_finished_dataset_is_known_again(dataset, capsys, monkeypatch):
    """By all that its metadata say of how it was made; anything else under its name is refused."""
    folder = dataset_folder(dataset)
    words = ["dataset", "make", "--task=pointmaze-umaze", "--steps=6000", "--seed=3"]
    assert execute(words) == 0
    assert capsys.readouterr() == (f"{dataset}: exists already, made with these settings: {folder}\n", "")
    assert not is_made(TASK, 6_000, 4) and is_made(TASK, 6_000, 3)
    path = folder / "data" / "metadata.json"
    before = json.loads(path.read_text())
    for field, value, ours in (
        ("description", "something else", "'pointmaze-umaze, waypoints: 6000 steps, seed 3'"),
        ("author", ["somebody"], r"\['rankq_jax'\]"),
        ("algorithm_name", None, f"'{TASK.generators['waypoints'].algorithm}'"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(store, "read_metadata", lambda *_, f=field, v=value: {**before, f: v})
            with pytest.raises(
                InputError, match=f"^{folder}: field '{field}' is .* there and {ours} now; del"
            ):
                execute(words)
    other = TASK._replace(world={"gap": 0.5})
    with pytest.raises(InputError, match=r"field 'world' is None there and \{'gap': 0.5\} now"):
        is_made(other, 6_000, 3)
    data = folder / "data" / "main_data.hdf5"
    data.rename(folder / "lost")
    with pytest.raises(InputError, match=r"cannot be read \(.*main_data\.hdf5.*\); delete it"):
        is_made(TASK, 6_000, 3)
    (folder / "lost").rename(data)


def test_what_a_killed_maker_left_beside_its_finished_dataset_is_removed(dataset, minari_root):
    """It was killed between the move of what it made and the removal of what it was made in."""
    shards_of_it = minari_root / f".shards-{dataset.replace('/', '-')}"
    for folder in (minari_root / ".unfinished-0", shards_of_it):
        folder.mkdir()
        (folder / "00000.npz").write_text("half")
    (minari_root / f"{shards_of_it.name}.lock").touch()
    with pytest.raises(InputError, match="exists already"):
        make_dataset(TASK, 6_000, 3)
    assert not list(minari_root.glob(".*"))
    shards_of_it.mkdir()
    with files.claimed(minari_root / f"{shards_of_it.name}.lock"), pytest.raises(InputError):
        make_dataset(TASK, 6_000, 3)
    assert shards_of_it.exists()  # somebody was at work in it
    shards_of_it.rmdir()


def test_an_interrupted_generation_leaves_nothing(monkeypatch, minari_root):
    def interrupted(*args, **kwargs):
        (dataset_folder("pointmaze-umaze/half-v0") / "data").mkdir(parents=True)
        raise KeyboardInterrupt

    monkeypatch.setattr(store, "hdf5_bytes", interrupted)
    with pytest.raises(KeyboardInterrupt):
        make_dataset(TASK, 3_000, 9)
    name = dataset_name(TASK, 3_000, 9)
    assert not dataset_folder(name).exists()
    assert not list(minari_root.glob(".unfinished*"))


def test_too_few_steps():
    with pytest.raises(InputError, match="at least one step"):
        make_dataset(TASK, 0, 0)


def test_a_missing_dataset_of_the_project(monkeypatch):
    monkeypatch.setattr(minari, "download_dataset", None)  # no network
    monkeypatch.setenv("MINARI_REMOTE", "none://at-all")
    name = dataset_name(TASK, 4_000, 8)
    with pytest.raises(
        InputError, match=rf"{name}: no such dataset below .*dataset make --task={TASK.name}\b"
    ):
        load(name)


def test_mismatched_lengths(spoiled):
    name, file = spoiled
    with h5py.File(file, "a") as data:
        actions = data["episode_2"]["actions"][:]
        del data["episode_2"]["actions"]
        data["episode_2"]["actions"] = actions[:-5]
    with pytest.raises(InputError, match=rf"{name}: episode 2: field 'actions' ends at index 295"):
        load(name)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_bad_number(spoiled, value):
    name, file = spoiled
    with h5py.File(file, "a") as data:
        data["episode_4"]["observations"]["observation"][17, 2] = value
    # the observation of step 17 is the next observation of step 16 too; the first field is named
    with pytest.raises(
        InputError, match=rf"{name}: field 'observation' is NaN or infinite at episode 4, index 17"
    ):
        load(name)


def test_an_action_outside_the_box(spoiled):
    name, file = spoiled
    with h5py.File(file, "a") as data:
        data["episode_1"]["actions"][33, 0] = 1.5
    with pytest.raises(InputError, match=rf"{name}: field 'action' lies outside .* episode 1, index 33"):
        load(name)


def test_the_dimensions_of_another_task(dataset):
    episodes = load_minari(dataset)
    with pytest.raises(InputError, match=r"field 'observation' has 4 values per step .* needs 29"):
        check_recording(episodes, dataset, observation_size=29, action_size=2)
    with pytest.raises(InputError, match=r"field 'action' has 2 values per step .* needs 8"):
        check_recording(episodes, dataset, observation_size=4, action_size=8)


def test_no_success(dataset):
    episodes = load_minari(dataset)
    never = episodes._replace(success=np.zeros_like(episodes.success))
    with pytest.raises(InputError, match=rf"{dataset}: field 'success': none of 20 episodes"):
        check_outcomes(never, dataset)


def test_no_failure_is_a_warning(dataset):
    episodes = load_minari(dataset)
    always = episodes._replace(success=np.ones_like(episodes.success))
    with pytest.warns(UserWarning, match="every episode succeeds"):
        check_outcomes(always, dataset)


def test_an_episode_of_another_width(spoiled):
    name, file = spoiled
    with h5py.File(file, "a") as data:
        del data["episode_3"]["actions"]
        data["episode_3"]["actions"] = np.zeros((300, 5), np.float32)
    with pytest.raises(InputError, match=r"episode 3: field 'action' has shape \(5,\)"):
        load(name)


@pytest.mark.parametrize("lost", ["metadata.json", "main_data.hdf5"])
def test_a_lost_file(spoiled, lost):
    name, file = spoiled
    (file.parent / lost).unlink()
    with pytest.raises(InputError, match="field 'data' cannot be read"):
        load(name)


def test_a_truncated_file(spoiled):
    name, file = spoiled
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(InputError, match=r"field 'data' cannot be read .*truncated or damaged"):
        load(name)
