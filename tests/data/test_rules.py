"""Every rule against data that breaks it and nothing else, and against data that keeps them all."""

import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rankq_jax import tasks
from rankq_jax.data.prepare import RewardTransform, prepare
from rankq_jax.data.readings import READINGS
from rankq_jax.data.rules import LABEL_RULES, RECORDING_RULES, Labeled, Recorded, findings, rule
from rankq_jax.data.rules.labels import return_bounds
from rankq_jax.data.sources import load_minari
from rankq_jax.data.validate import check_labels, check_recorded, check_recording
from rankq_jax.envs.maze_map import inside
from rankq_jax.errors import InputError
from rankq_jax.specs import ActionSpec, TaskSpec, vector
from rankq_jax.tasks.datasets import make_dataset
from rankq_jax.types import Episodes, Transition

TEN_R_MINUS_5 = RewardTransform(scale=10.0, bias=-5.0, failure=0.0)
GAMMA = 0.99


def room(position):
    """A square room of 2 m by 2 m around the origin."""
    return (np.abs(position) <= 1.0).all(axis=1)


def walks(lengths=(4, 3), step=0.1):
    """Episodes that walk to the right from 0, in steps of 0.1 m, with small actions and no reward."""
    place = [np.arange(n + 1) * step for n in lengths]
    observation = [np.stack([x, np.zeros_like(x), np.full_like(x, i)], axis=1) for i, x in enumerate(place)]
    rows = sum(lengths)
    return Episodes(
        observation=np.concatenate([each[:-1] for each in observation]),
        action=np.tile([0.5, -0.25], (rows, 1)),
        reward=np.zeros(rows),
        next_observation=np.concatenate([each[1:] for each in observation]),
        terminated=np.zeros(rows, bool),
        truncated=np.isin(np.arange(rows), np.cumsum(lengths) - 1),
        success=np.zeros(rows, bool),
        episode=np.repeat(np.arange(len(lengths)), lengths),
        info={},
    )


def recorded(episodes):
    return Recorded(episodes, observation_size=3, action_size=2, max_step=0.2, inside=room)


def changed(episodes, field, index, value):
    """A copy with other numbers in one place."""
    array = getattr(episodes, field).copy()
    array[index] = value
    return episodes._replace(**{field: array})


def broken(rules, subject):
    return {rule.name: finding for rule, finding in findings(rules, subject) if finding.ok is False}


def test_a_valid_recording_breaks_nothing():
    assert broken(RECORDING_RULES, recorded(walks())) == {}
    check_recording(walks(), "x", 3, 2, 0.2, room)


BAD_RECORDINGS = {
    "shapes": [
        (lambda e: e._replace(observation=e.observation[:, :2]), None, "'observation' has 2 values"),
        (lambda e: e._replace(next_observation=e.observation[:, :, None]), None, r"shape \(3, 1\)"),
        (lambda e: e._replace(action=e.action[:, :1]), None, "'action' has 1 values .* needs 2"),
    ],
    "finite": [
        (lambda e: changed(e, "observation", (5, 2), np.nan), 5, "'observation' is NaN"),
        (lambda e: changed(e, "next_observation", (6, 0), np.inf), 6, "'next_observation' is NaN"),
        (lambda e: changed(e, "action", (1, 1), -np.inf), 1, "'action' is NaN"),
        (lambda e: changed(e, "reward", 2, np.nan), 2, "'reward' is NaN"),
    ],
    "action_range": [
        (lambda e: changed(e, "action", (4, 0), 1.01), 4, r"'action' lies outside \[-1, 1\]"),
        (lambda e: changed(e, "action", (3, 1), -1.01), 3, r"'action' lies outside \[-1, 1\]"),
    ],
    "one_episode_per_row": [
        # two walks as one: after row 3 the second one starts from 0 again, though nothing jumps in a row
        (lambda e: e._replace(episode=np.zeros(7, int)), 3, "not the following row's"),
        (lambda e: changed(e, "observation", (5, 2), 1.001), 4, "not the following row's"),
    ],
    "jump": [
        # both copies of the position of step 2 lie 0.3 m away, so the steps to and from it are too long
        (
            lambda e: changed(changed(e, "observation", (2, 1), 0.3), "next_observation", (1, 1), 0.3),
            1,
            r"moves by 0\.3162 m, a step makes 0\.2 m at most",
        ),
    ],
}


@pytest.mark.parametrize(
    ("name", "spoil", "row", "words"),
    [(name, *case) for name, cases in BAD_RECORDINGS.items() for case in cases],
)
def test_a_recording_that_breaks_one_rule(name, spoil, row, words):
    data = spoil(walks())
    found = broken(RECORDING_RULES, recorded(data))
    assert list(found) == [name]
    assert found[name].row == row
    # rows 0 to 3 are episode 0, rows 4 to 6 episode 1
    where = "from episode 0, index 0 on" if row is None else f"at episode {int(row > 3)}, index {row % 4}"
    with pytest.raises(InputError, match=rf"^file: .*{words}.* {where} \(rule '{name}'\); \w.*\.$"):
        check_recording(data, "file", 3, 2, 0.2, room)


def test_a_recording_of_another_world_is_refused():
    def judged(told, needed):
        subject = recorded(walks())
        subject = subject._replace(world=needed, origin=subject.origin._replace(world=told))
        (found,) = [one for rule, one in findings(RECORDING_RULES, subject) if rule.name == "world"]
        return found.ok, subject

    camera = {"camera": "left", "gap": 0.5}
    assert [judged(*pair)[0] for pair in ((camera, camera), ({}, camera), (camera, {}))] == [True, None, None]
    assert judged({"other": 1, "gap": 0.5}, camera)[0] is True
    _, subject = judged({**camera, "gap": 0.0}, camera)
    words = r"^x: field 'gap' is 0\.0 where the task has 0\.5, .* \(rule 'world'\); choose the"
    with pytest.raises(InputError, match=words):
        check_recorded(subject, "x")


def test_the_message_is_one_line_with_everything_in_it():
    data = changed(walks(), "action", (5, 0), 2.0)
    with pytest.raises(InputError) as refused:
        check_recording(data, "data.hdf5", 3, 2)
    assert str(refused.value) == (
        "data.hdf5: field 'action' lies outside [-1, 1] in 14.3 % of the rows, the largest is 2, first at "
        "episode 1, index 1 (rule 'action_range'); set clip_actions to clip them, as Cal-QL and RLPD do."
    )


def test_actions_in_the_limits_of_the_environment_are_to_be_scaled():
    box = ActionSpec((2,), np.array([-2.0, 0.0]), np.array([2.0, 1.0]))
    spec = TaskSpec(vector(3), box, 10)

    def refused(value):
        data = changed(walks(), "action", (slice(None), 1), 0.5)
        with pytest.raises(InputError) as caught:
            check_recorded(Recorded(changed(data, "action", (5, 0), value), 3, 2, spec=spec), "data.hdf5")
        return str(caught.value)

    assert refused(1.5).endswith(
        "they lie in the limits of the environment, [-2, 2] and [0, 1], from low to high: store "
        "2 (a - low) / (high - low) - 1."
    )
    assert refused(2.5).endswith("set clip_actions to clip them, as Cal-QL and RLPD do.")


def test_positions_in_walls():
    def walk_out(steps):
        """A thousand steps, the last `steps` of which start beyond x = 1 by more than 0.1 m."""
        x = np.where(np.arange(1001) < 1000 - steps, 0.95, 1.12)
        observation = np.stack([x, np.zeros(1001), np.zeros(1001)], axis=1)
        return walks((1000,))._replace(observation=observation[:-1], next_observation=observation[1:])

    found = broken(RECORDING_RULES, recorded(walk_out(2)))
    assert list(found) == ["inside_maze"]
    assert found["inside_maze"].row == 998 and found["inside_maze"].measured.startswith("0.2 %")
    with pytest.raises(InputError, match=r"position \(1\.12, 0\.00\) m lies in a wall .* index 998"):
        check_recording(walk_out(2), "x", 3, 2, 0.2, room)
    assert broken(RECORDING_RULES, recorded(walk_out(1))) == {}  # one in a thousand may
    shallow = walk_out(500)
    shallow.observation[:, 0] -= 0.03  # 0.09 m deep: the border is soft
    shallow.next_observation[:, 0] -= 0.03
    assert broken(RECORDING_RULES, recorded(shallow)) == {}


def test_a_position_far_away_is_outside_and_no_warning():
    far = walks()._replace(observation=np.full((7, 3), 1e30), next_observation=np.full((7, 3), 1e30))
    umaze = functools.partial(inside, tasks.find("pointmaze-umaze").scene.map)
    assert list(broken(RECORDING_RULES, Recorded(far, 3, 2, 0.2, umaze))) == ["inside_maze"]


def test_saturation_is_logged_and_never_broken():
    data = walks()._replace(action=np.array([[1.0, 0.0], [-1.0, 0.998]] + [[0.0, 0.0]] * 5))
    found = dict((rule.name, finding) for rule, finding in findings(RECORDING_RULES, recorded(data)))
    assert found["saturation"].ok is None
    assert found["saturation"].measured == "14.29 % of the numbers"  # 2 of 14


def test_after_a_basic_rule_nothing_is_judged():
    data = changed(changed(walks(), "observation", (0, 0), np.nan), "action", (0, 0), 5.0)
    found = {rule.name: finding for rule, finding in findings(RECORDING_RULES, recorded(data))}
    assert found["finite"].ok is False
    assert found["action_range"].ok is None and "'finite' is broken" in found["action_range"].measured


def test_without_a_maze_positions_are_not_judged():
    data = changed(walks(), "observation", slice(None), 40.0)._replace(next_observation=np.full((7, 3), 40.0))
    assert broken(RECORDING_RULES, Recorded(data, 3, 2)) == {}


@pytest.mark.parametrize("size", [1, 2, 3, 4, 7, 100])
def test_the_first_offence_is_found_in_any_block(monkeypatch, size):
    monkeypatch.setattr(rule, "BLOCK", size)
    assert rule.first(7, lambda rows: np.isin(np.arange(7)[rows], [3, 5])) == 3
    assert rule.first(0, lambda rows: np.zeros(0, bool)) is None
    for name, cases in BAD_RECORDINGS.items():
        for spoil, row, _ in cases:
            assert broken(RECORDING_RULES, recorded(spoil(walks())))[name].row == row
    assert broken(RECORDING_RULES, recorded(walks())) == {}


def test_next_observations_may_differ_by_rounding():
    data = walks()
    rounded = data._replace(next_observation=data.next_observation + 5e-7)
    assert broken(RECORDING_RULES, recorded(rounded)) == {}


def labeled(rewards=(0, 0, 0, 1, 0, 0, 0), terminated=None, returns=None, success=None, **changes):
    """Four steps to a success and three of a failure, with 10 r - 5 and a discount of 0.99."""
    reward = np.asarray(rewards, np.float64)
    terminal = reward == 1 if terminated is None else np.asarray(terminated, bool)
    episodes = walks()._replace(reward=reward, terminated=terminal, success=reward == 1)
    # -5 + 0.99 * 5 = -0.05; -5 - 0.99 * 0.05 = -5.0495; -5 - 0.99 * 5.0495 = -9.999005
    by_hand = [-9.999005, -5.0495, -0.05, 5.0, -500.0, -500.0, -500.0]
    prepared = Transition(
        observation=None,
        action=None,
        reward=np.float32(10 * reward - 5),
        discount=np.float32(GAMMA * ~terminal),
        next_observation=None,
        extras={
            "success": np.float32([1, 1, 1, 1, 0, 0, 0] if success is None else success),
            "mc_return": np.float32(by_hand if returns is None else returns),
        },
    )
    return Labeled(episodes, prepared, TEN_R_MINUS_5, GAMMA, (0.0, 1.0))._replace(**changes)


def test_valid_labels_break_nothing():
    assert broken(LABEL_RULES, labeled()) == {}
    check_labels(labeled(), "x")


@pytest.mark.parametrize(
    ("name", "data", "where", "words"),
    [
        # a reward of 0.5 is neither; the returns that it would change are left as they are
        ("two_rewards", labeled((0, 0, 0, 1, 0, 0.5, 0)), (1, 1), "'reward' is 0.5 where .* 0 and 1 alone"),
        ("terminals_are_successes", labeled(terminated=[0] * 7), (0, 3), "a success is not terminal"),
        (
            "terminals_are_successes",
            labeled(terminated=[0, 0, 0, 1, 0, 0, 1]),  # a time limit taken for a terminal
            (1, 2),
            "a terminal is no success",
        ),
        (
            "terminals_are_successes",
            labeled(terminates=False, returns=[-9.999005, -5.0495, -0.05, 5.0, -500.0, -500.0, -500.0]),
            (0, 3),
            "a terminal where the reading knows none",
        ),
        (
            "outcomes",
            labeled((0,) * 7, returns=[-500.0] * 7, success=[0] * 7),
            None,
            "none of 2 episodes reaches the task's goal",
        ),
        # the sum to the time limit, -5 - 4.95 - 4.9005, in place of the value of failing for ever
        (
            "return_to_go",
            labeled(returns=[-9.999005, -5.0495, -0.05, 5.0, -14.8505, -500.0, -500.0]),
            (1, 0),
            "-14.8505 in a failed episode is not -500",
        ),
        # a success that the episode outlives for ever: 5 / (1 - 0.99)
        (
            "return_to_go",
            labeled(returns=[-9.999005, -5.0495, -0.05, 500.0, -500.0, -500.0, -500.0]),
            (0, 3),
            r"500 is outside \[-500, 5\]",
        ),
        (
            "return_to_go",
            labeled(returns=[-501.0, -5.0495, -0.05, 5.0, -500.0, -500.0, -500.0]),
            (0, 0),
            r"-501 is outside \[-500, 5\]",
        ),
        (
            "return_to_go",
            labeled(returns=[-9.999005, -5.0495, 5.0, 5.0, -500.0, -500.0, -500.0]),
            (0, 2),
            "5 is 5, that of a success, at another step",
        ),
        (
            "return_to_go",
            labeled(returns=[-9.999005, -5.0495, -0.05, np.nan, -500.0, -500.0, -500.0]),
            (0, 3),
            "nan is outside",
        ),
    ],
)  # fmt: skip
def test_labels_that_break_one_rule(name, data, where, words):
    assert list(broken(LABEL_RULES, data)) == [name]
    place = "from episode 0, index 0 on" if where is None else "at episode {}, index {}".format(*where)
    suffix = "" if name == "outcomes" else " of the labeled data"
    with pytest.raises(InputError, match=rf"^x: .*{words}.* {place}{suffix} \(rule '{name}'\); \w.*\.$"):
        check_labels(data, "x")


def test_an_unusual_share_of_success_stops_nothing():
    found = broken(LABEL_RULES, labeled(success_share=(4 / 7, 0.005, 0.10)))
    assert list(found) == ["success_share"]
    assert found["success_share"].measured == "57.1 % of the steps"
    assert "0.5 to 10 %" in found["success_share"].problem
    assert broken(LABEL_RULES, labeled(success_share=(4 / 7, 0.5, 0.6))) == {}
    check_labels(labeled(success_share=(4 / 7, 0.005, 0.10)), "x")


def test_several_terminals_in_a_trajectory():
    # Successes at steps 1 and 3 of the first walk, both terminal, as Cal-QL's loader has them.
    data = labeled((0, 1, 0, 1, 0, 0, 0), returns=[-0.05, 5.0, -0.05, 5.0, -500.0, -500.0, -500.0])
    assert broken(LABEL_RULES, data) == {}


def test_a_reading_without_terminals():
    # 5 is followed by nothing; -5 + 0.99 * 5; and two successes in a row: 5 + 0.99 * 5 = 9.95
    returns = [0.99 * 4.8505 - 5, 0.99 * 9.95 - 5, 9.95, 5.0, -500.0, -500.0, -500.0]
    data = labeled((0, 0, 1, 1, 0, 0, 0), terminated=[0] * 7, returns=returns, terminates=False)
    assert broken(LABEL_RULES, data) == {}
    # four successes return 5 (1 - 0.99^4) / 0.01 = 19.70 at most
    too_high = data.prepared.extras["mc_return"].copy()
    too_high[0] = 19.8
    high = data._replace(
        prepared=data.prepared._replace(extras={**data.prepared.extras, "mc_return": too_high})
    )
    assert list(broken(LABEL_RULES, high)) == ["return_to_go"]


def test_every_trajectory_succeeds_is_a_warning():
    data = labeled((0, 0, 0, 1, 0, 0, 1), success=[1] * 7,
                    returns=[-9.999005, -5.0495, -0.05, 5.0, -5.0495, -0.05, 5.0])  # fmt: skip
    with pytest.warns(UserWarning, match="every episode succeeds"):
        check_labels(data, "x")


def test_of_a_dense_task_only_the_share_is_measured():
    data = labeled((0.3, 0.2, -4, 1, 2, 3, 4), returns=range(7))._replace(rewards=None)
    assert broken(LABEL_RULES, data) == {}
    check_labels(data, "x")


@pytest.mark.parametrize(
    ("pair", "terminates", "expected"),
    [
        ((-5.0, 5.0), True, (-500.0, 5.0)),
        ((-1.0, 0.0), True, (-100.0, 0.0)),
        ((0.0, 1.0), True, (0.0, 1.0)),
        ((1.0, 2.0), True, (2.0, 100.0)),  # failing for ever pays better than the end
        ((-5.0, 5.0), False, (-9.95, 9.95)),  # two steps: 5 + 0.99 * 5
        ((-1.0, 0.0), False, (-1.99, 0.0)),
        ((1.0, 2.0), False, (1.0, 3.98)),
    ],
)
def test_bounds_by_hand(pair, terminates, expected):
    assert return_bounds(pair, 0.99, 2, terminates) == pytest.approx(expected)


@settings(deadline=None, max_examples=60)
@given(
    st.tuples(st.floats(-10, 10), st.floats(-10, 10)),
    st.floats(0.5, 0.999),
    st.lists(st.booleans(), min_size=1, max_size=30),
    st.booleans(),
)
def test_no_return_leaves_its_bounds(pair, gamma, successes, terminates):
    if terminates:  # ends at the first success
        successes = [*([False] * (len(successes) - 1)), True]
    total = sum(gamma**t * pair[int(success)] for t, success in enumerate(successes))
    low, high = return_bounds(pair, gamma, len(successes), terminates)
    slack = 1e-9 * (1 + abs(low) + abs(high))
    assert low - slack <= total <= high + slack


@pytest.mark.parametrize("gamma", [0.9, 0.99, 0.999, 0.9999])
@pytest.mark.parametrize("bias", [-5.0, 0.0, 1.0])
def test_rounding_over_a_long_way_to_the_goal_is_no_offence(gamma, bias):
    far = walks((20_000, 3))
    reward = np.zeros(20_003)
    reward[19_999] = 1.0
    far = far._replace(reward=reward, success=reward == 1, terminated=reward == 1)
    transform = RewardTransform(10.0, bias, failure=0.0)
    labels = Labeled(far, prepare(far, transform, gamma), transform, gamma, (0.0, 1.0))
    assert broken(LABEL_RULES, labels) == {}


@pytest.fixture(scope="module")
def point_maze():
    task = tasks.find("pointmaze-umaze")
    return task, load_minari(make_dataset(task, 6_000, 12))


@pytest.mark.parametrize("gamma", [0.9, 0.99, 0.9999])
@pytest.mark.parametrize(("scale", "bias"), [(1.0, -1.0), (10.0, -5.0), (1.0, 0.0)])
def test_a_made_dataset_keeps_every_rule(point_maze, gamma, scale, bias):
    task, data = point_maze
    here = functools.partial(inside, task.scene.map)
    check_recording(data, "x", 4, 2, task.scene.max_step, here)
    transform = RewardTransform(scale, bias, failure=0.0)
    for name, reading in READINGS.items():
        if name == "recorded":
            continue  # nothing terminates in the file, which the rules are there to notice
        episodes = reading(data, task.success, task.rewards)
        prepared = prepare(episodes, transform, gamma)
        labels = Labeled(episodes, prepared, transform, gamma, task.rewards, terminates=name != "rlpd")
        assert broken(LABEL_RULES, labels) == {}, name


def test_the_file_of_a_continuing_task_read_as_recorded(point_maze):
    task, data = point_maze
    episodes = READINGS["recorded"](data, task.success, task.rewards)
    prepared = prepare(episodes, TEN_R_MINUS_5, GAMMA)
    with pytest.raises(InputError, match=r"a success is not terminal .* \(rule 'terminals_are_successes'\)"):
        check_labels(Labeled(episodes, prepared, TEN_R_MINUS_5, GAMMA, task.rewards), "x")


def test_a_maze_read_in_another_frame(point_maze):
    task, data = point_maze
    moved = [getattr(data, name) + np.float32([1.5, 0, 0, 0]) for name in ("observation", "next_observation")]
    shifted = data._replace(observation=moved[0], next_observation=moved[1])
    here = functools.partial(inside, task.scene.map)
    found = broken(RECORDING_RULES, Recorded(shifted, 4, 2, task.scene.max_step, here))
    assert list(found) == ["inside_maze"]
