"""Environments of gymnasium behind the protocol: the same steps, in one process or in several."""

import inspect
import os
import signal
import subprocess
import sys
import time

import gymnasium
import jax
import numpy as np
import pytest
from gymnasium.vector import async_vector_env

import rankq_jax as rq
from rankq_jax.envs.gymnasium_envs import reset_seed
from rankq_jax.envs.rollout import collect, recorder
from rankq_jax.envs.streams import streams
from rankq_jax.evaluation import evaluate
from rankq_jax.testing import check_environment
from tests.gymnasium_cases import Carried, Images, Point, Seeing


def test_gymnasium_has_the_worker_that_processes_run():
    """A private name; where it goes, `gymnasium_rows.work` must be written anew."""
    named = "gymnasium's worker has another name, or cannot be chosen; see envs/gymnasium_rows.py"
    assert callable(getattr(async_vector_env, "_async_worker", None)), named
    assert "worker" in inspect.signature(async_vector_env.AsyncVectorEnv).parameters, named


@pytest.mark.parametrize("make", [Point, Seeing, Images])
def test_the_contract(make):
    check_environment(rq.from_gymnasium(make, success="is_success"))
    check_environment(rq.from_gymnasium(make, horizon=5))  # before the environment ends by itself


def test_the_contract_is_checked():
    with pytest.raises(AssertionError, match="rows in another order: observation differs"):
        check_environment(rq.from_gymnasium(Carried))


def test_hopper_steps_as_gymnasium_does():
    theirs = gymnasium.make("Hopper-v5")
    env = rq.from_gymnasium("Hopper-v5").environment(2, 1)
    random = np.random.default_rng(0)
    state, episode, resets = env.reset(streams(3, 2)), 0, 0
    seen, _ = theirs.reset(seed=reset_seed(streams(3, 2)[1], 0))
    for _ in range(200):
        np.testing.assert_array_equal(state.observation[1], seen)
        action = random.uniform(-1, 1, (2, 3)).astype(np.float32)
        seen, reward, terminated, truncated, _ = theirs.step(action[1])
        state, step = env.step(state, action, np.ones(2, bool))
        np.testing.assert_array_equal(step.next_observation[1], seen)
        assert (step.reward[1], step.terminated[1], step.truncated[1]) == (reward, terminated, truncated)
        if terminated:
            episode, resets = episode + 1, resets + 1
            seen, _ = theirs.reset(seed=reset_seed(streams(3, 2)[1], episode))
    assert resets > 2 and env.spec.observation.dtype == state.observation.dtype == np.float64


def test_actions_are_scaled_to_the_limits():
    env = rq.from_gymnasium(Point).environment(3, 1)
    state = env.reset(streams(0, 3))
    action = np.array([[-1.0, -1.0], [1.0, 5.0], [0.0, 0.5]])
    after, _ = env.step(state, action, np.ones(3, bool))
    # Limits [-0.5, 1.5] and [0, 2]: the middle is 0.5 and 1, and 5 is clipped to 1.
    moved = [0.1 * -0.5 + 0.05 * 0.0, 0.1 * 1.5 + 0.05 * 2.0, 0.1 * 0.5 + 0.05 * 1.5]
    np.testing.assert_allclose(after.observation[:, 0] - state.observation[:, 0], moved, atol=1e-7)


def test_success_is_told_by_a_key_or_a_function():
    right = np.ones((1, 2))
    for success in ("is_success", lambda seen: seen[:, 0] > 1.0, None):
        env = rq.from_gymnasium(lambda: Point(steps=30), name="point", success=success).environment(1, 1)
        state, reached, over = env.reset(streams(0, 1)), [], []
        for _ in range(10):
            before = state.observation[0, 0]
            state, step = env.step(state, right, np.ones(1, bool))
            reached.append(bool(step.success[0])), over.append(bool(step.terminated[0]))
            np.testing.assert_allclose(step.next_observation[0, 0], before + 0.25, atol=1e-6)
        assert any(over) and reached == (over if success else [False] * 10)
    env = rq.from_gymnasium(Point, success="solved").environment(1, 1)
    with pytest.raises(rq.InputError, match=r"success='solved'.*no such key, only 'is_success'"):
        state = env.reset(streams(0, 1))
        for _ in range(8):
            state, _ = env.step(state, right, np.ones(1, bool))


def test_only_the_newest_state_is_stepped():
    env = rq.from_gymnasium(Point).environment(1, 1)
    old = env.reset(streams(0, 1))
    new, _ = env.step(old, np.zeros((1, 2)), np.ones(1, bool))
    with pytest.raises(ValueError, match="not the newest"):
        env.step(old, np.zeros((1, 2)), np.ones(1, bool))
    other = rq.from_gymnasium(Point).environment(1, 1)
    other.reset(streams(0, 1))
    with pytest.raises(ValueError, match="not the newest"):
        other.step(new, np.zeros((1, 2)), np.ones(1, bool))
    env.close()
    with pytest.raises(ValueError, match="not the newest"):
        env.step(new, np.zeros((1, 2)), np.ones(1, bool))
    assert env.restart(new).episode == [2]


@pytest.mark.parametrize("make", [Seeing, Images])
def test_images_and_dictionaries_are_recorded_and_evaluated(make):
    task, random = rq.from_gymnasium(make), np.random.default_rng(0)
    env = task.environment(2, 1)

    def act(seen, t):
        return random.uniform(-1, 1, (2, 2)).astype(np.float32)

    found = collect(env, env.reset(streams(0, 2)), recorder(env), act, 20)
    assert [len(episode.reward) for _, episode in found.episodes] == [8] * 4
    for _, episode in found.episodes:
        image = episode.observation["image"] if make is Seeing else episode.observation
        assert image.dtype == np.uint8 and image.shape == (8, 16, 16, 3)
        assert image[:, 0].max(axis=1)[:, 1].tolist() == list(range(8))  # the time, in green
        rest, following = [jax.tree.leaves(x) for x in (episode.observation, episode.next_observation)]
        for one, other in zip(rest, following, strict=True):
            np.testing.assert_array_equal(one[1:], other[:-1])
    found = evaluate(env, act, [5], task.measure).metrics
    assert found["length"].tolist() == [[8, 8]] and (found["return"] < 0).all()


def played(env, steps):
    """Everything that `steps` steps return, some rows of which rest."""
    random, state, found = np.random.default_rng(1), env.reset(streams(7, 5)), []
    for _ in range(steps):
        state, step = env.step(state, random.uniform(-1, 1, (5, 2)), random.uniform(size=5) > 0.2)
        found.append((state._replace(simulator=None), step))
    return found


def test_several_processes_give_the_same_numbers_and_end(monkeypatch):
    several = rq.from_gymnasium(Seeing, vectorization="async").environment(5, 2)
    rows = several.step.__self__
    expected = played(rq.from_gymnasium(Seeing).environment(5, 1), 30)
    again = played(several, 30)
    for one, other in zip(jax.tree.leaves(expected), jax.tree.leaves(again), strict=True):
        np.testing.assert_array_equal(one, other)
    processes = rows._vector.processes
    assert len(processes) == 2 and all(process.is_alive() for process in processes)
    for process in processes:
        for number in (signal.SIGINT, signal.SIGTERM):  # as Ctrl-C in a terminal: the run saves itself first
            os.kill(process.pid, number)
    played(several, 3)
    several.close()
    assert not any(process.is_alive() for process in processes)


PARENT = """
import os, sys, time
import numpy as np
import rankq_jax as rq
from rankq_jax.envs.streams import streams
from tests.gymnasium_cases import Point

if __name__ == "__main__":
    env = rq.from_gymnasium(Point, vectorization="async").environment(2, 2)
    env.reset(streams(0, 2))
    print(*[process.pid for process in env.step.__self__._vector.processes], flush=True)
    if sys.argv[1] == "wait":
        time.sleep(600)
"""


def test_no_process_outlives_the_run(tmp_path):
    """A script that ends without a word, and one that is killed."""
    script = tmp_path / "script.py"
    script.write_text(PARENT)
    root = str(os.path.dirname(os.path.dirname(os.path.dirname(__file__))))
    variables, pipe = {**os.environ, "PYTHONPATH": root}, subprocess.PIPE
    running = [
        subprocess.Popen([sys.executable, script, word], env=variables, stdout=pipe, stderr=pipe, text=True)
        for word in ("end", "wait")
    ]
    pids = [int(word) for process in running for word in process.stdout.readline().split()]
    assert len(pids) == 4
    running[1].kill()
    out = [process.communicate(timeout=60) for process in running]
    assert running[0].returncode == 0 and "Traceback" not in out[0][1] + out[1][1], out
    end = time.monotonic() + 30
    while any(os.path.exists(f"/proc/{pid}") for pid in pids) and time.monotonic() < end:
        time.sleep(0.05)
    assert not [pid for pid in pids if os.path.exists(f"/proc/{pid}")]
