"""What the hand tasks share: the model, the control, the binary reward."""

import functools
from collections.abc import Callable, Mapping
from typing import NamedTuple

import mujoco
import numpy as np
from gymnasium.envs.registration import EnvSpec

from rankq_jax.envs import robotics
from rankq_jax.envs.batch import Outcome, Simulation, View, sparse

SUBSTEPS = 5  # of 0.002 s
REWARDS = (-1.0, 0.0)  # raw, of a failing and of a successful step (AWAC, Cal-QL: the binary tasks)
GAINS = (("A_WRJ1", "A_WRJ0", 10.0), ("A_FFJ3", "A_THJ0", 1.0))  # first and last actuator, position gain

Observe = Callable[[View], np.ndarray]
Reset = Callable[[np.random.Generator], tuple[np.ndarray, np.ndarray, np.ndarray]]
Dense = Callable[[View, np.ndarray], np.ndarray]
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


def simulate(hand: Hand, dense: bool = False, terminates: bool = True) -> Simulation:
    """A hand task. Actions are targets of the joint positions, scaled to [-1, 1]; one step is 0.01 s.

    The raw reward is -1, and 0 at a success.

    Args:
      hand: the task.
      dense: the reward that an expert is trained on in its place.
      terminates: whether a success ends the episode; data collection and experts go on.
    """
    model = load_model(hand.file)
    low, high = model.actuator_ctrlrange.T
    middle, half = np.mean(model.actuator_ctrlrange, axis=1), 0.5 * (high - low)

    reward = hand.dense(model)

    def judge(before: View, after: View, observation: np.ndarray) -> Outcome:
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
    )


def joint_travel(hand: Hand) -> tuple[Callable[[np.ndarray, np.ndarray], np.ndarray], float]:
    """How far the joints move in a step, and the most that a behaviour makes of it.

    The distance is the mean over the driven joints of `|q' - q| / range`. An actuator pulls with
    `gain (target - q)` against `damping dq/dt`, so that a joint moves at most by the share
    `gain / damping * duration` of its range in one step, when its target is the range away. The limit is half
    of the mean of these shares (0.10): that all joints at once are told to cross half of their range. Human
    demonstrations of the door reach 0.05, own pen data 0.07; a reset moves the joints by 0.17 or more.

    Args:
      hand: the task.

    Returns:
      `(observation [n, O], next_observation [n, O]) -> [n]`, and the limit.
    """
    model = load_model(hand.file)
    numbers = np.arange(hand.first_joint, hand.first_joint + hand.joints)
    width = model.jnt_range[numbers, 1] - model.jnt_range[numbers, 0]
    driver = [int(np.flatnonzero(model.actuator_trnid[:, 0] == number)[0]) for number in numbers]
    damping = model.dof_damping[model.jnt_dofadr[numbers]]
    shares = model.actuator_gainprm[driver, 0] / damping * SUBSTEPS * model.opt.timestep

    def travel(observation: np.ndarray, following: np.ndarray) -> np.ndarray:
        moved = np.abs(following[:, : hand.joints] - observation[:, : hand.joints])
        distance: np.ndarray = (moved / width).mean(axis=1)
        return distance

    return travel, float(0.5 * shares.mean())


def env_specs(hand: Hand) -> tuple[EnvSpec, EnvSpec]:
    """The gymnasium environment with the same observations, twice: for collecting and for evaluating."""
    spec = robotics.env_spec(hand.env_id, max_episode_steps=hand.horizon)
    return spec, spec
