"""Tasks by the names of gymnasium's environments and of datasets: what they are, and what is refused."""

import os
from pathlib import Path

import gymnasium
import h5py
import jax
import mujoco
import numpy as np
import pytest
from gymnasium import spaces

import rankq_jax as rq
from rankq_jax import configs, tasks
from rankq_jax.cli.main import execute
from rankq_jax.data import sources
from rankq_jax.data.stamps import stamps
from rankq_jax.tasks import recorded
from rankq_jax.training import datasets, workdir
from tests.gymnasium_cases import Point, Seeing


def of_spaces(**replaced):
    """An environment with other spaces."""
    return type("Other", (Point,), replaced)


def test_a_name_says_all():
    task = rq.make_task("gym:Pendulum-v1")
    assert task is tasks.find("gym:Pendulum-v1") and task.name == "gym:Pendulum-v1"
    assert (task.spec.observation.shape, task.spec.observation.dtype) == ((3,), np.float32)
    assert (task.spec.horizon, task.spec.action.low, task.spec.action.high) == (200, [-2.0], [2.0])
    assert task.success is None and not task.exact and task.transform(np.float32([-3.0])) == [-3.0]
    assert [measure.name for measure in task.measures] == ["return", "length"]


def test_a_package_is_imported_for_its_environments(tmp_path, monkeypatch):
    (tmp_path / "their_robots.py").write_text(
        "import gymnasium\n"
        "gymnasium.register('Theirs-v0', 'tests.gymnasium_cases:Point', max_episode_steps=5)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gymnasium.envs.registration, "registry", dict(gymnasium.registry))
        task = tasks.find("gym:their_robots:Theirs-v0")
        assert task.spec.horizon == 5
    before = workdir.source(task.name)  # a run notices that the code of the package has changed
    assert before != workdir.source("gym:Pendulum-v1") == workdir.source()
    with (tmp_path / "their_robots.py").open("a") as file:
        file.write("# another line")
    assert workdir.source(task.name) != before


def test_horizons_and_further_arguments():
    assert rq.from_gymnasium("Pendulum-v1", horizon=50).spec.horizon == 50
    assert rq.from_gymnasium("Pendulum-v1", horizon=500).spec.horizon == 500  # in place of its own
    assert rq.from_gymnasium(Point).spec.horizon == 8
    assert rq.from_gymnasium(Point, horizon=5).spec.horizon == 5
    assert rq.from_gymnasium(lambda: gymnasium.wrappers.TimeLimit(endless(), 7), name="x").spec.horizon == 7
    assert rq.from_gymnasium("Pendulum-v1", arguments={"g": 1.0}).spec.horizon == 200


def test_a_wrong_argument_is_named():
    words = r"gym:Pendulum-v1: arguments: 'gravity' is none of those it takes \(render_mode, g\)"
    with pytest.raises(rq.InputError, match=words) as caught:
        rq.from_gymnasium("Pendulum-v1", arguments={"gravity": 1.0})
    assert "\n" not in str(caught.value)
    with pytest.raises(rq.InputError, match=r"'legs' is none of those .*forward_reward_weight"):
        rq.from_gymnasium("HalfCheetah-v5", arguments={"legs": 3})


def broken(steps=3):
    return len(steps)


def test_a_bug_of_an_environment_keeps_its_traceback(monkeypatch):
    spec = gymnasium.envs.registration.EnvSpec("Broken-v0", entry_point=broken, max_episode_steps=3)
    monkeypatch.setitem(gymnasium.registry, "Broken-v0", spec)
    with pytest.raises(TypeError, match="has no len"):
        rq.from_gymnasium("Broken-v0", arguments={"steps": 3})


def endless():
    env = Point()
    env.spec = None
    return env


def test_success_makes_a_sparse_task_where_rewards_say_nothing_else():
    judge = lambda seen: seen[:, 0] > 1.0  # noqa: E731
    task = rq.from_gymnasium(Point, success=judge, rewards=(-1.0, 0.0))
    assert task.success is judge and task.rewards == (-1.0, 0.0) and task.transform.failure == -1.0
    for success in (judge, "is_success"):
        dense = rq.from_gymnasium(Point, success=success)
        assert dense.success is None and dense.measures[0].name == "success"


MANY = spaces.Box(-1.0, 1.0, (2, 3))
REFUSED = {
    "no environment 'Pendulumm-v1'. Did you mean 'Pendulum-v1'?": "Pendulumm-v1",
    "no environment 'Pendulum-v7'. Did you mean 'Pendulum-v1'?": "Pendulum-v7",
    "package 'no_robots' is not installed; install it, e.g. `pip install no_robots`": "no_robots:Arm-v0",
    "its actions are discrete (Discrete)": "CartPole-v1",
    "its actions are discrete (MultiDiscrete)": of_spaces(action_space=spaces.MultiDiscrete([2, 2])),
    "its actions are discrete (a Box of uint8)": of_spaces(action_space=spaces.Box(0, 9, (1,), np.uint8)),
    "its actions are no vectors (Dict)": of_spaces(action_space=spaces.Dict({"a": MANY})),
    "unbounded: number 1 has the limits -1 and inf": of_spaces(
        action_space=spaces.Box(np.float32([-1, -1]), np.float32([1, np.inf]))
    ),
    "its observations are a Tuple, whose parts have no names": of_spaces(
        observation_space=spaces.Tuple([MANY, MANY])
    ),
    "observation 'arm.joint' is Discrete, no Box": of_spaces(
        observation_space=spaces.Dict({"arm": spaces.Dict({"joint": spaces.Discrete(3)})})
    ),
    "has no time limit of its own; give horizon": endless,
    "makes a builtins.int, which is no gymnasium.Env": int,
    "Point: is neither the name of an environment nor a function": Point(),
    "NoneType: is neither the name": None,
    "give name": lambda: Point(),
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_cannot_be_learned_is_refused_in_one_line(words):
    with pytest.raises(rq.InputError) as error:
        rq.from_gymnasium(REFUSED[words])
    assert words in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("words", "given"),
    [
        ("vectorization='threads': must be", {"vectorization": "threads"}),
        ("rewards=(0, 1): give a function success", {"rewards": (0, 1), "success": "is_success"}),
        ("arguments={'g': 1}: are for names", {"arguments": {"g": 1}}),
        ("horizon=0", {"horizon": 0}),
    ],
)
def test_arguments_are_refused(words, given):
    with pytest.raises(rq.InputError, match=words.replace("(", r"\(").replace(")", r"\)")):
        rq.from_gymnasium(Point, **given)


def test_something_that_is_not_installed_is_named(monkeypatch):
    def lacking(*arguments, **rest):
        raise gymnasium.error.DependencyNotInstalled("Box2D is not installed; run `pip install box2d`")

    monkeypatch.setattr(gymnasium, "make", lacking)
    with pytest.raises(
        rq.InputError, match="gym:CarRacing-v3: Box2D is not installed; run `pip install box2d`"
    ):
        rq.from_gymnasium("CarRacing-v3")


def test_a_picture_without_a_display_says_how_to_draw(monkeypatch):
    env = rq.from_gymnasium(Point).environment(1, 1)
    state = env.reset(np.zeros((1, 2), np.uint64))
    for error, words in ((mujoco.FatalError, "MUJOCO_GL=egl"), (RuntimeError, "a fault")):

        def fails(self, error=error):
            raise error("a fault")

        monkeypatch.setattr(Point, "render", fails, raising=False)
        monkeypatch.setattr(Point, "render_mode", "rgb_array", raising=False)
        kind = rq.InputError if error is mujoco.FatalError else error
        with pytest.raises(kind, match=words):
            env.render(state, 0)
    env.close()


def test_a_configuration_has_the_values_of_the_domain():
    found = configs.read(["--config=iql:gym:Pendulum-v1,smoke", "--config.dataset=x.npz"])
    config = found.config
    assert (config.task, config.offline.updates, config.train_envs) == ("gym:Pendulum-v1", 40, 1)
    assert found.sources["iql.expectile_level"].source == "domain mujoco (iql)"
    assert configs.parse(config.to_dict()) == config
    for wrong in ("iql:gym:Pendulumm-v1", "iql:gym:CartPole-v1"):
        with pytest.raises(rq.InputError, match=r"Did you mean|discrete"):
            configs.read([f"--config={wrong}"])


def write(path, size=3, episodes=2):
    """Random arrays by the names of D4RL."""
    random, rows = np.random.default_rng(0), 5 * episodes
    walk = random.normal(size=(episodes, 6, size)).astype(np.float32)
    np.savez(
        path,
        observations=walk[:, :-1].reshape(rows, size),
        next_observations=walk[:, 1:].reshape(rows, size),
        actions=random.uniform(-1, 1, (rows, 2)).astype(np.float32),
        rewards=random.normal(size=rows),
        terminals=np.zeros(rows, bool),
        timeouts=np.arange(rows) % 5 == 4,
    )


def test_a_dataset_is_a_task_with_its_sizes(tmp_path, monkeypatch):
    write(tmp_path / "mine.npz"), write(tmp_path / "more.npz")
    monkeypatch.chdir(tmp_path)
    task = tasks.find("data:mine.npz")
    assert task.name == f"data:{tmp_path}/mine.npz" and task.recorded == f"{tmp_path}/mine.npz"
    assert (task.spec.observation_size, task.spec.action_size, task.spec.horizon) == (3, 2, 5)
    assert len(rq.load_dataset(task, task.recorded).reward) == 10
    config = configs.read(["--config=iql:data:mine.npz,more.npz,smoke"]).config
    assert (
        config.dataset == f"{tmp_path}/mine.npz,{tmp_path}/more.npz"
        and config.task == f"data:{config.dataset}"
    )
    assert (config.online.env_steps, config.offline.updates) == (0, 40)
    write(tmp_path / "mine.npz", size=4)
    assert tasks.find("data:mine.npz").spec.observation_size == 4  # another file is another task
    with pytest.raises(rq.InputError, match=r"env_steps=600: the task 'data:.*' is a dataset"):
        configs.read(["--config=iql:data:mine.npz,smoke", "--config.online.env_steps=600"])
    with pytest.raises(rq.InputError, match="names nothing"):
        configs.read(["--config=iql:data:"])
    with pytest.raises(rq.InputError, match=r"write --config=NAME:data:mine\.npz"):
        configs.read(["--config=data:mine.npz"])
    with pytest.raises(rq.InputError, match="nowhere"):
        tasks.find("data:nowhere.npz").spec  # noqa: B018


def test_nothing_acts_in_a_dataset(tmp_path):
    write(tmp_path / "mine.npz")
    task = tasks.find(f"{recorded.PREFIX}{tmp_path}/mine.npz")
    env = task.environment(2, 1)
    state = env.reset(np.zeros((2, 2), np.uint64))
    assert state.observation.shape == (2, 3)
    with pytest.raises(ValueError, match="no environment"):
        env.step(state, np.zeros((2, 2)), np.ones(2, bool))
    with pytest.raises(rq.InputError, match="has no environment"):
        execute(
            ["dataset", "inspect", f"--task={task.name}", f"--dataset={task.recorded}", "--random-episodes=1"]
        )


def test_own_dictionaries_are_named_and_typed():
    spec = rq.from_gymnasium(Seeing).spec
    assert spec.observation["image"].dtype == np.uint8 and spec.observation["arm"]["at"].shape == (1,)
    assert rq.from_gymnasium(of_spaces(action_space=MANY)).spec.action.shape == (6,)


def vectors(run):
    """The vector environments that a run has open."""
    envs = (run.setup.env, run.setup.evaluation_env)
    return [env.step.__self__._vector for env in envs if env.step.__self__._vector is not None]


@pytest.fixture
def make_run(tmp_path):
    """A run that only collects and evaluates: 12 steps of two environments in each of two iterations."""
    write(tmp_path / "mine.npz", size=2)

    def make(task, **rest):
        agent = rq.agents.bc(rq.networks.cal_ql(task.spec, hidden=(8,)), rq.Optimizers.adam(1e-3))
        plan = rq.offline_to_online(
            agent,
            offline_updates=0,
            env_steps=48,
            env_steps_per_iteration=24,
            updates_per_step=0.0,
            train_envs=2,
        )
        return rq.Run(plan, task, rq.load_dataset(task, tmp_path / "mine.npz"), evaluation_episodes=2, **rest)

    return make


def test_a_run_that_was_closed_begins_its_running_episodes_again(make_run):
    task = rq.from_gymnasium(Point)
    run = make_run(task)
    first = next(event for event in run if isinstance(event, rq.Collected))
    assert [len(episode.reward) for _, episode in first.episodes] == [8, 8] and len(vectors(run)) == 1
    assert run.state.env.step.tolist() == [4, 4]
    state = jax.tree.map(lambda leaf: leaf.copy() if hasattr(leaf, "copy") else leaf, run.state)
    run.close()
    assert vectors(run) == []
    rest = [event for event in run if isinstance(event, rq.Collected | rq.Evaluated)]
    assert [len(episode.reward) for _, episode in rest[0].episodes] == [8, 8]
    assert run.state.env.step.tolist() == [4, 4] and run.state.env.episode.tolist() == [4, 4]
    assert rest[1].metrics["length"].tolist() == [[8, 8]] and vectors(run) == []
    other = make_run(task, state=state)  # the state of a run that is elsewhere
    assert [type(event) for event in other if isinstance(event, rq.Collected)] == [rq.Collected]


def test_environments_are_closed_after_an_error(make_run):
    class Broken(Point):
        def step(self, action):
            raise KeyboardInterrupt

    run = make_run(rq.from_gymnasium(Broken))
    with pytest.raises(KeyboardInterrupt):
        list(run)
    assert vectors(run) == []


def write_named(path):
    """Five steps of an episode whose observations have names."""
    random = np.random.default_rng(0)
    walk = {"place": random.normal(size=(6, 2)), "speed": random.normal(size=(6, 3))}
    with h5py.File(path, "w") as file:
        for name, values in walk.items():
            file[f"observations/{name}"] = values[:-1].astype(np.float32)
            file[f"next_observations/{name}"] = values[1:].astype(np.float32)
        file["actions"] = random.uniform(-1, 1, (5, 2)).astype(np.float32)
        file["rewards"] = random.normal(size=5)
        file["terminals"], file["timeouts"] = np.zeros(5, bool), np.arange(5) == 4


def test_the_keys_of_a_dataset_count_for_its_task(tmp_path):
    write_named(tmp_path / "named.hdf5")
    words = [f"--config=bc:data:{tmp_path}/named.hdf5,smoke", "--config.dataset_keys=speed+place"]
    config = configs.read(words).config
    task = configs.task_of(config)
    assert task.spec.observation_size == 5
    assert datasets.load(config, task)[1].observation.shape == (5, 5)
    assert rq.make_task(config.task, keys="speed").spec.observation_size == 3
    with pytest.raises(rq.InputError, match=r"several entries: place .*speed"):
        rq.make_task(config.task).spec  # noqa: B018


def test_a_dataset_alone_is_read_once(tmp_path, monkeypatch):
    write(tmp_path / "mine.npz"), write(tmp_path / "more.npz")
    read, names = sources.read_one, []
    monkeypatch.setattr(sources, "read_one", lambda name, wanted: names.append(name) or read(name, wanted))
    task = tasks.find(f"data:{tmp_path}/mine.npz")
    assert task.spec.observation_size == 3
    assert len(rq.load_dataset(task, task.recorded).reward) == 10 and len(names) == 1
    rq.load_dataset(task, task.recorded)  # nothing is kept
    assert len(names) == 2
    several = tasks.find(f"data:{tmp_path}/mine.npz,{tmp_path}/more.npz")
    assert several.spec.observation_size == 3  # one after another: together they may not fit into memory
    assert len(rq.load_dataset(several, several.recorded).reward) == 20 and len(names) == 6


def test_changed_files_are_noticed(tmp_path, monkeypatch):
    write(tmp_path / "mine.npz")
    place = str(tmp_path / "mine.npz")
    before, about = stamps(place), (tmp_path / "mine.npz").stat()
    write(tmp_path / "mine.npz", size=4)
    os.utime(place, ns=(about.st_atime_ns, about.st_mtime_ns))
    assert stamps(place) != before  # by its size
    (tmp_path / "mine.yaml").write_text("file: mine.npz\nobservations: observations\nactions: actions\n")
    mapped = stamps(str(tmp_path / "mine.yaml"))
    assert [Path(name).name for name, *_ in mapped] == ["mine.yaml", "mine.npz"]
    folder = tmp_path / "minari" / "own" / "set-v0"
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    assert stamps("own/set-v0") == ()
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "metadata.json").write_text("{}")
    first = stamps("own/set-v0")
    (folder / "data" / "metadata.json").rename(folder / "data" / "other.json")
    assert len(first) == 1 and stamps("own/set-v0") != first  # by the names
