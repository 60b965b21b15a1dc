"""What the hand tasks share: the model, the control, the binary reward."""

import functools
from collections.abc import Callable, Mapping
from typing import NamedTuple

import mujoco
import numpy as np
from gymnasium.envs.registration import EnvSpec

from rankq_jax.envs import raycast, robotics
from rankq_jax.envs.batch import Outcome, Simulation, View, sparse

SUBSTEPS = 5  # of 0.002 s
REWARDS = (-1.0, 0.0)  # raw, of a failing and of a successful step (AWAC, Cal-QL: the binary tasks)
GAINS = (("A_WRJ1", "A_WRJ0", 10.0), ("A_FFJ3", "A_THJ0", 1.0))  # first and last actuator, position gain

# Beside the arm, so that the hand does not hide what it holds.
CAMERA = raycast.looking(np.array([0.55, -0.85, 0.75]), np.array([0.0, 0.02, 0.15]))

RETURN = 0.06  # of the joints' range, beyond what a behavior reaches and below what a reset makes

Observe = Callable[[View], np.ndarray]
Reset = Callable[[np.random.Generator], tuple[np.ndarray, np.ndarray, np.ndarray]]
Dense = Callable[[View, np.ndarray], np.ndarray]
Measure = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]  # of observation, next one, action
Configure = Callable[[Mapping[str, np.ndarray], np.ndarray], None]


class Hand(NamedTuple):
    """What distinguishes one hand task. The functions of a model return those that `Simulation` asks for.

    Attributes:
      file: model file of gymnasium-robotics.
      env_id: its environment with the same observations.
      horizon: environment steps until truncation.
      success: `observation [n, O] -> [n]` bool.
      dense: `model -> (View, observation [n, O]) -> [n]`, the reward to train an expert on.
      reset: `model -> Simulation.reset`.
      observe: `model -> Simulation.observe`.
      fields: model fields that a goal is written to.
      configure: `model -> Simulation.configure`.
      joints: how many columns the observation begins with that are positions of driven joints.
      first_joint: number of the joint in the first one of these columns.
    """

    file: str
    env_id: str
    horizon: int
    success: Callable[[np.ndarray], np.ndarray]
    dense: Callable[[mujoco.MjModel], Dense]
    reset: Callable[[mujoco.MjModel], Reset]
    observe: Callable[[mujoco.MjModel], Observe]
    fields: tuple[str, ...]
    configure: Callable[[mujoco.MjModel], Configure]
    joints: int
    first_joint: int


def norm(vectors: np.ndarray) -> np.ndarray:
    """`[n, 3] -> [n]` Euclidean."""
    return np.linalg.norm(vectors, axis=1)


def site_index(model: mujoco.MjModel, name: str) -> int:
    """Index of a site."""
    return int(mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_SITE, name))


def body_index(model: mujoco.MjModel, name: str) -> int:
    """Index of a body."""
    return int(mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_BODY, name))


@functools.cache
def load_model(file: str) -> mujoco.MjModel:
    """A hand model with the actuator gains that gymnasium-robotics gives it."""
    model = mujoco.MjModel.from_xml_path(str(robotics.ASSETS / "adroit_hand" / file))
    for first, last, gain in GAINS:
        start, end = (mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_ACTUATOR, name) for name in (first, last))
        model.actuator_gainprm[start : end + 1, :3] = (gain, 0.0, 0.0)
        model.actuator_biasprm[start : end + 1, :3] = (0.0, -gain, 0.0)
    return model


def _targets(model: mujoco.MjModel) -> tuple[np.ndarray, np.ndarray]:
    """`[nu]` the middle of each actuator's targets, and half of their range."""
    low, high = model.actuator_ctrlrange.T
    return np.mean(model.actuator_ctrlrange, axis=1), 0.5 * (high - low)


def simulate(hand: Hand, dense: bool = False, terminates: bool = True) -> Simulation:
    """A hand task. Actions are targets of the joint positions, scaled to [-1, 1]; one step is 0.01 s.

    The raw reward is -1, and 0 at a success.

    Args:
      hand: the task.
      dense: the reward that an expert is trained on in its place.
      terminates: whether a success ends the episode; data collection and experts go on.
    """
    model = load_model(hand.file)
    middle, half = _targets(model)

    reward = hand.dense(model)

    def judge(before: View, action: np.ndarray, after: View, observation: np.ndarray) -> Outcome:
        success = hand.success(observation)
        if dense:
            return Outcome(reward(after, observation), success & terminates, success)
        return sparse(success, REWARDS, terminates)

    return Simulation(
        model=model,
        substeps=SUBSTEPS,
        horizon=hand.horizon,
        reset=hand.reset(model),
        observe=hand.observe(model),
        judge=judge,
        control=lambda action: middle + action * half,
        derived=("site_xpos", "xpos"),
        fields=hand.fields,
        configure=hand.configure(model),
        camera=CAMERA,
    )


class _Joints(NamedTuple):
    """Numbers of the driven joints that observations begin with, `[J]` each.

    Attributes:
      width: of the range, rad or m.
      rest: position at a reset.
      driver: number of the actuator.
      gain: force per target position.
      stiffness: force per own position.
      damping: force per velocity.
    """

    width: np.ndarray
    rest: np.ndarray
    driver: np.ndarray
    gain: np.ndarray
    stiffness: np.ndarray
    damping: np.ndarray


def _joints(hand: Hand, model: mujoco.MjModel) -> _Joints:
    numbers = np.arange(hand.first_joint, hand.first_joint + hand.joints)
    driver = np.array([np.flatnonzero(model.actuator_trnid[:, 0] == number)[0] for number in numbers])
    return _Joints(
        width=model.jnt_range[numbers, 1] - model.jnt_range[numbers, 0],
        rest=model.qpos0[model.jnt_qposadr[numbers]],
        driver=driver,
        gain=model.actuator_gainprm[driver, 0],
        stiffness=-model.actuator_biasprm[driver, 1],
        damping=model.dof_damping[model.jnt_dofadr[numbers]],
    )


def joint_travel(hand: Hand) -> tuple[Measure, float]:
    """How far the joints move in a step beyond what pulls them, and the most that a behaviour makes of it.

    An actuator pulls with `gain target - stiffness q` against `damping dq/dt`, which explains
    `pull = |gain target - stiffness q| / damping * duration` of a movement. The distance is the mean over the
    driven joints of `max(|q' - q| - pull, 0) / range`. What is left comes from earlier velocity and from
    contacts. The hand of the pen, which stands still, makes 0.05 of it at most; its limit is half of the
    mean share of the range that an actuator covers in a step (0.10). An arm that is thrown about shakes
    the fingers and hits the door: 0.44 at most. The limit of hands on an arm is 3.5 of these shares (door
    0.66, ball 0.63), below which only the return to a reset is noticed.

    Args:
      hand: the task.

    Returns:
      `(observation [n, O], next_observation [n, O], action [n, A]) -> [n]`, and the limit.
    """
    model = load_model(hand.file)
    joints, duration = _joints(hand, model), SUBSTEPS * model.opt.timestep
    middle, half = _targets(model)

    def travel(observation: np.ndarray, following: np.ndarray, action: np.ndarray) -> np.ndarray:
        position, target = observation[:, : hand.joints], middle + action * half
        pull = np.abs(joints.gain * target[:, joints.driver] - joints.stiffness * position)
        moved = np.abs(following[:, : hand.joints] - position)
        left = np.maximum(moved - pull / joints.damping * duration, 0.0)
        distance: np.ndarray = (left / joints.width).mean(axis=1)
        return distance

    share = (joints.stiffness / joints.damping).mean() * duration
    stands = bool((joints.gain == joints.stiffness).all())  # an arm's actuators pull beyond their targets
    return travel, float((0.5 if stands else 3.5) * share)


def joint_return(hand: Hand) -> tuple[Measure, float]:
    """How much longer a step is than the way left to the pose of a reset, and the most that it can be.

    The distance is the mean over the driven joints of `(|q' - q| - |q' - rest|) / range`. A reset puts the
    joints at rest, so that its step is the whole way there: 0.17 and more after human demonstrations of
    the door, as much after episodes of random or jumping targets. A step of a behaviour, however
    violent, is no longer than what it leaves, but for 0.021 of hands that are told to come to rest. An
    episode that comes to rest before its end has a reset that this does not notice.

    Args:
      hand: the task.

    Returns:
      `(observation [n, O], next_observation [n, O], action [n, A]) -> [n]`, and the limit.
    """
    joints = _joints(hand, load_model(hand.file))

    def returned(observation: np.ndarray, following: np.ndarray, action: np.ndarray) -> np.ndarray:
        position, after = observation[:, : hand.joints], following[:, : hand.joints]
        further = np.abs(after - position) - np.abs(after - joints.rest)
        distance: np.ndarray = (further / joints.width).mean(axis=1)
        return distance

    return returned, RETURN


def env_specs(hand: Hand) -> tuple[EnvSpec, EnvSpec]:
    """The gymnasium environment with the same observations, twice: for collecting and for evaluating."""
    spec = robotics.env_spec(hand.env_id, max_episode_steps=hand.horizon)
    return spec, spec
