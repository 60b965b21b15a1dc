"""The tabletop as an environment: kinematics, control, the contract, and going on from anywhere."""

import math

import jax
import mujoco
import numpy as np
import pytest

from rankq_jax import tasks
from rankq_jax.envs.rollout import recorder
from rankq_jax.envs.streams import streams
from rankq_jax.envs.tabletop import arm, control
from rankq_jax.envs.tabletop.arm import DOWN, Pose, forward
from rankq_jax.envs.tabletop.env import Tables, tabletop_env
from rankq_jax.envs.tabletop.expert import Expert
from rankq_jax.envs.tabletop.options import Options
from rankq_jax.envs.tabletop.world import World
from rankq_jax.errors import InputError
from rankq_jax.testing import check_environment
from rankq_jax.testing.comparing import drawn, rolled, same

HORIZON = 4
BLIND = Options(image=None, horizon=HORIZON)


@pytest.fixture(scope="module")
def tables():
    return Tables(BLIND, 4, 1)


def downward(positions, yaws):
    """Poses of a tool that points down."""
    cosine, sine = np.cos(yaws), np.sin(yaws)
    return Pose(positions, arm.turn("z", cosine, sine) @ DOWN)


def tilt(pose):
    """`[n]` degrees between the approach and straight down."""
    return np.degrees(np.arccos(-pose.rotation[:, 2, 0]))


def test_the_stretched_arm_and_the_start_pose():
    pose, _ = forward(np.stack([np.zeros(6), arm.START]))
    # 0.04975 + 0.175 + 0.075 + 0.065 + 0.093575 along x, 0.072 + 0.03865 + 0.25 up.
    np.testing.assert_allclose(pose.position[0], [0.458325, 0.0, 0.36065], atol=1e-9)
    np.testing.assert_allclose(pose.position[1], [0.2921, -0.0061, 0.1353], atol=1e-3)
    assert tilt(pose)[1] < 4.0


def test_mujoco_has_the_same_kinematics(tables):
    joints = np.random.default_rng(0).uniform(-1.5, 1.5, (4, 6))
    state = tables.reset(streams(0, 4))
    tables.physics.rows[:] = state.simulator
    tables.physics.qpos[:, :6] = joints
    model = tables.world.model
    data = mujoco.MjData(model)
    for row in range(4):
        data.qpos[:] = tables.physics.qpos[row]
        mujoco.mj_kinematics(model, data)
        pose, _ = forward(joints[row : row + 1])
        np.testing.assert_allclose(pose.position[0], data.site("tool").xpos, atol=1e-9)
        np.testing.assert_allclose(pose.rotation[0].ravel(), data.site("tool").xmat, atol=1e-9)


def test_the_jacobian_is_the_derivative():
    joints = np.random.default_rng(1).uniform(-1, 1, (1, 6))
    pose, jacobian = forward(joints)
    for i in range(6):
        moved, _ = forward(joints + 1e-6 * np.eye(6)[i])
        np.testing.assert_allclose(control.error_to(pose, moved)[0] / 1e-6, jacobian[0, :, i], atol=1e-5)


def test_every_place_of_the_table_is_reached_from_above():
    x, y, yaw = np.meshgrid(np.linspace(0.15, 0.45, 7), [-0.2, -0.15, 0, 0.15, 0.2], [-1.5, 0, 1.5])
    wanted = downward(np.stack([x.ravel(), y.ravel(), np.full(x.size, 0.015)], axis=1), yaw.ravel())
    found = control.solve(wanted, np.tile(arm.START, (x.size, 1)))
    assert ((found >= arm.LOW) & (found <= arm.HIGH)).all()
    error = np.abs(control.error_to(forward(found)[0], wanted))
    assert error[:, :3].max() < 0.002 and error[:, 3:].max() < 0.02


def test_what_is_not_reached_is_told_no_longer():
    target = control.target_at(arm.START[None])
    for _ in range(20):
        target = control.advance(target, np.array([[1.0, 1.0, 1.0, 0, 0, 0, 1.0]]))
    # The box ends at (0.46, 0.25, 0.30), out of reach of a tool that points down.
    pose = forward(target.joints)[0]
    np.testing.assert_allclose(target.pose.position, pose.position, atol=0.002)
    assert np.linalg.norm(pose.position[0] - [0.46, 0.25, 0.30]) > 0.02 and tilt(pose)[0] < 4.0
    back = control.advance(target, np.array([[-1.0, 0, 0, 0, 0, 0, 1.0]]))
    np.testing.assert_allclose(back.pose.position - target.pose.position, [[-0.03, 0.0, 0.0]], atol=1e-9)


def test_one_control_step_arrives(tables):
    """At most 3 mm and 1.5 degrees from where the tool is told to be, in free space, upward and downward."""
    state = tables.reset(streams(3, 4))
    tables.physics.rows[:] = state.simulator
    actions = np.random.default_rng(0).uniform(-1.0, 1.0, (4, 4, 7))
    actions[:, :, 2] = np.abs(actions[:, :, 2])
    pose, _ = forward(tables.physics.qpos[:, :6])
    for action in (*actions, *-actions[::-1]):  # up, and back down
        before, told = pose.position, tables.world.target.pose.position.copy()
        tables.world.control(action, None)
        pose, _ = forward(tables.physics.qpos[:, :6])
        target = tables.world.target.pose
        error = control.error_to(pose, target)
        assert np.sqrt((error[:, :3] ** 2).sum(axis=1)).max() < 0.003
        assert np.sqrt((error[:, 3:] ** 2).sum(axis=1)).max() < math.radians(1.5)
        # An action of 1 is 3 cm along x, and 4 cm along y and z. Both ends of a step are 3 mm off at most.
        moved = (0.03, 0.04, 0.04) * action[:, :3]
        np.testing.assert_allclose(target.position, told + moved, atol=1e-9)
        np.testing.assert_allclose(pose.position, before + moved, atol=0.006)


def test_the_gripper_opens_and_closes(tables):
    state = tables.reset(streams(3, 4))
    tables.physics.rows[:] = state.simulator
    for command, width in ((-1.0, 0.010), (1.0, 0.054)):
        action = np.tile([0, 0, 0, 0, 0, 0, command], (4, 1))
        for _ in range(2):
            tables.world.control(action, None)
        opening = 2.0 * (tables.physics.qpos[:, 6] - arm.PAD)
        np.testing.assert_allclose(opening, width, atol=1e-3)


def test_the_tabletop_keeps_the_contract():
    check_environment(lambda rows, threads: tabletop_env(BLIND, rows, threads))


def test_the_middle_of_an_episode_is_reached_again_from_what_a_dataset_stores():
    env = tabletop_env(BLIND, 2, 1)
    actions = drawn(env, 2, seed=4)
    middle, _ = rolled(env, env.reset(streams(9, 2)), actions[:1])
    stored = env.snapshot(middle)
    after, _ = rolled(env, middle, actions[1:])
    other = tabletop_env(BLIND, 2, 1)
    placed = other.place(other.reset(streams(10, 2)), np.arange(2), stored)
    again, _ = rolled(other, placed, actions[1:])
    same(other.snapshot(again), env.snapshot(after), "the state after a snapshot")
    for name, leaf in again.observation.items():
        np.testing.assert_array_equal(leaf, after.observation[name])


def test_only_the_time_limit_ends_an_episode_and_an_action_is_four_control_steps():
    env, tables = tabletop_env(BLIND, 1, 1), Tables(BLIND, 1, 1)
    state = env.reset(streams(2, 1))
    assert env.spec.action.shape == (4 * 7,) and env.horizon == HORIZON
    action = np.random.default_rng(0).uniform(-1, 1, (1, 28))
    after, step = env.step(state, action, np.ones(1, bool))
    tables.physics.rows[:] = state.simulator
    for k in range(4):
        tables.world.control(action[:, 7 * k : 7 * k + 7], None)
    np.testing.assert_array_equal(after.simulator, tables.physics.rows)
    assert not step.terminated.any() and not step.truncated.any() and step.reward.tolist() == [0.0]


def test_a_step_says_when_something_was_lifted_and_when_it_was_done():
    options = Options(image=None, horizon=10)
    tables = Tables(options, 1, 1)
    tables.reset(streams(1, 1))
    expert, actions, seen = Expert(tables.world), [], []
    for _ in range(40):
        actions.append(expert.act())
        seen.append(tables.world.control(actions[-1], None))
    env = tabletop_env(options, 1, 1)
    chunks = np.stack(actions).reshape(10, 1, 28)
    _, steps = rolled(env, env.reset(streams(1, 1)), chunks)
    lifted = np.array([one.lifted[0] for one in seen]).reshape(10, 4)
    success = np.array([one.success[0] for one in seen]).reshape(10, 4)
    assert [bool(step.info["lifted"][0]) for step in steps] == lifted.any(axis=1).tolist()
    first = [float((row.argmax() + 1) / 4) if row.any() else 0.0 for row in success]
    assert [step.info["finished"][0] for step in steps] == first
    assert [bool(step.success[0]) for step in steps] == success[:, 3].tolist()
    assert lifted.any() and 0 < success.any(axis=1).sum() < 10 and steps[-1].reward[0] == 1.0


def test_the_expert_looks_once_in_a_step(monkeypatch):
    tables, looks = Tables(BLIND, 2, 1), []
    tables.reset(streams(1, 2))
    expert, tool = Expert(tables.world), World.tool.fget
    monkeypatch.setattr(World, "tool", property(lambda world: looks.append(0) or tool(world)))
    for steps in range(1, 16):  # in which it comes to another phase
        tables.world.control(expert.act(), None)
        assert len(looks) == steps
    assert expert.phase.all()


def test_an_episode_is_measured_by_what_was_lifted_and_by_its_time():
    task, recorded = tasks.find("widowx-cube-stacking-state"), recorder(tabletop_env(BLIND, 1, 1)).steps
    assert recorded.info.keys() == {"lifted", "finished"}
    one = jax.tree.map(lambda leaf: leaf[0], recorded)
    failed = task.measure(one)
    assert failed["partial_success"] == 0 and failed["time_to_finish"] == 25 * 0.8
    assert failed["success"] == failed["success_at_end"] == 0
    one.success[0] = True  # and lost again
    found = task.measure(one)
    assert found["success"] == 1 and found["success_at_end"] == 0
    one.success[-1] = True
    assert task.measure(one)["success_at_end"] == 1
    one.info["lifted"][1] = 1.0
    one.info["finished"][2:] = (0.5, 0.25)
    found = task.measure(one)
    # Two whole chunks of 0.8 s and half of the third one.
    assert found["partial_success"] == 1 and found["time_to_finish"] == pytest.approx(2.0)
    assert {"partial_success_rate", "time_to_finish"} <= {measure.mean for measure in task.measures}
    assert "lifted" not in tasks.find("pointmaze-umaze").environment(1, 1).info


def test_tasks_of_the_tabletop_are_found():
    task = tasks.find("widowx-cube-stacking-state")
    assert task.domain == "tabletop" and task.spec.horizon == 25 and task.spec.action_size == 28
    assert next(measure.name for measure in task.measures) == "success"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("setting", "cubes"),
        ("image", (50, 50)),
        ("spawns", "grid"),
        ("gap", 2.5),
        ("direction", "back"),
        ("rule", "simple"),
    ],
)
def test_a_world_that_there_is_not_is_refused(field, value):
    with pytest.raises(InputError, match=f"^{field}="):
        Options(**{field: value})


def test_only_cubes_are_stacked_backward():
    with pytest.raises(InputError, match="spoon-in-bowl goes forward only"):
        Options(setting="spoon-in-bowl", direction="both")
