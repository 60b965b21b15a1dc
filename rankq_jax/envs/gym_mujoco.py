"""Half-cheetah, hopper and walker with the models, rewards and ends of gymnasium's v5 environments."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import gymnasium
import mujoco
import numpy as np

from rankq_jax.envs.batch import Outcome, Simulation, View, bounded

ASSETS = Path(gymnasium.__file__).parent / "envs" / "mujoco" / "assets"
HORIZON = 1000
MOST_VELOCITY = 10.0  # that the hopper and the walker see
ALIVE = 1.0  # reward of a step after which the hopper or the walker still stands


class Robot(NamedTuple):
    """A planar robot that is paid for its way along x.

    Attributes:
      gymnasium_id: of the environment that it equals.
      file: of the model, in gymnasium's assets.
      substeps: physics steps of an environment step.
      control_cost: what a step costs for each unit of squared action.
      noise: of a reset, on every position and velocity.
      normal_velocities: whether that noise is normal on the velocities; it is uniform elsewhere.
      stands: `(qpos [n, nq], qvel [n, nv]) -> [n]` bool; the first step without it ends the episode. None
        where nothing ends it.
    """

    gymnasium_id: str
    file: str
    substeps: int
    control_cost: float
    noise: float
    normal_velocities: bool = False
    stands: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None


def _hopper_stands(qpos: np.ndarray, qvel: np.ndarray) -> np.ndarray:
    """Above 0.7 m, leaning less than 0.2 rad, and no number beyond 100."""
    rest = np.concatenate([qpos[:, 2:], qvel], axis=1)
    height, angle = qpos[:, 1], qpos[:, 2]
    stands: np.ndarray = (np.abs(rest) < 100.0).all(axis=1) & (height > 0.7) & (height < np.inf)
    return stands & (np.abs(angle) < 0.2)


def _walker_stands(qpos: np.ndarray, qvel: np.ndarray) -> np.ndarray:
    """Between 0.8 m and 2 m, leaning less than 1 rad."""
    height, angle = qpos[:, 1], qpos[:, 2]
    stands: np.ndarray = (height > 0.8) & (height < 2.0) & (np.abs(angle) < 1.0)
    return stands


ROBOTS = {
    "halfcheetah": Robot("HalfCheetah-v5", "half_cheetah.xml", 5, 0.1, 0.1, normal_velocities=True),
    "hopper": Robot("Hopper-v5", "hopper.xml", 4, 1e-3, 5e-3, stands=_hopper_stands),
    "walker2d": Robot("Walker2d-v5", "walker2d_v5.xml", 4, 1e-3, 5e-3, stands=_walker_stands),
}


@functools.cache
def model(robot: Robot) -> mujoco.MjModel:
    """The model of a robot."""
    before = mujoco.get_mju_user_warning()
    # The half-cheetah's file is written in an older way, of which MuJoCo warns on stderr and in a file.
    mujoco.set_mju_user_warning(lambda message: None)
    try:
        return mujoco.MjModel.from_xml_path(str(ASSETS / robot.file))
    finally:
        mujoco.set_mju_user_warning(before)


def simulate(robot: Robot) -> Simulation:
    """A robot on a floor without a goal; an episode is truncated after 1,000 steps.

    The observation is the state without x: 17, 11 and 17 numbers of the half-cheetah, the hopper and the
    walker. The hopper and the walker see velocities clipped to 10. The raw reward is the velocity along x in
    m/s, averaged over the step, less the cost of the action, and 1 where the robot still stands. No step is a
    success. As in gymnasium the cost is computed in the type of the action.
    """
    built = model(robot)
    duration = built.opt.timestep * robot.substeps

    def reset(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        qpos = built.qpos0 + random.uniform(-robot.noise, robot.noise, built.nq)
        if robot.normal_velocities:
            return qpos, robot.noise * random.standard_normal(built.nv), np.zeros(0)
        return qpos, random.uniform(-robot.noise, robot.noise, built.nv), np.zeros(0)

    def observe(view: View) -> np.ndarray:
        velocity = view.qvel if robot.stands is None else bounded(view.qvel, MOST_VELOCITY)
        return np.concatenate([view.qpos[:, 1:], velocity], axis=1)

    def judge(before: View, action: np.ndarray, after: View, observation: np.ndarray) -> Outcome:
        speed = (after.qpos[:, 0] - before.qpos[:, 0]) / duration
        # Summed in the order of the numbers of one action, whatever the layout of all actions is.
        cost = robot.control_cost * np.square(action, order="C").sum(axis=1)
        nothing = np.zeros(len(speed), bool)
        if robot.stands is None:
            return Outcome(speed - cost, nothing, nothing)
        stands = robot.stands(after.qpos, after.qvel)
        return Outcome(speed + stands * ALIVE - cost, ~stands, nothing)

    return Simulation(
        model=built,
        substeps=robot.substeps,
        horizon=HORIZON,
        reset=reset,
        observe=observe,
        judge=judge,
    )
