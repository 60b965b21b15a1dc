"""A scripted expert: always the same way to do a task, so that its actions have one mean."""

import numpy as np

from rankq_jax.envs.tabletop import judging
from rankq_jax.envs.tabletop.arm import DOWN, Pose, turn
from rankq_jax.envs.tabletop.control import ACTION, MOVE, TURN, error_to
from rankq_jax.envs.tabletop.world import World

HIGH, RETREAT, GAP = 0.10, 0.08, 0.006  # metres: of the way over, of the way back, of the drop
ABOVE, DESCEND, CLOSE, LIFT, OVER, LOWER, OPEN, LEAVE, DONE = range(9)  # the phases
# Control steps after which a phase is over, whatever was reached; metres and radians at which it is reached.
LONGEST = np.array([20, 12, 3, 8, 20, 12, 2, 6, 10**6])
NEAR = np.array([0.010, 0.005, 0.0, 0.015, 0.010, 0.005, 0.0, 0.015, 0.0])
TURNED = np.array([0.08, 0.08, 0.0, 1.0, 1.0, 1.0, 0.0, 1.0, 0.0])
# What is off sideways keeps the tool higher by so much as often, beyond this many metres.
FUNNEL, FUNNEL_FROM = 3.0, 0.006
# Standard deviations of the noise on translations and on the turn about the vertical, and the share of it in
# each phase: there is little where the tool is next to things.
NOISE = np.array([0.25, 0.25, 0.25, 0.0, 0.0, 0.20, 0.0])
SHARE = np.array([1.0, 0.3, 0.0, 0.3, 1.0, 0.3, 0.0, 0.3, 0.0])


class Expert:
    """The expert of n rows; it sees where things are, and remembers how far it has come."""

    def __init__(self, world: World) -> None:
        """Starts in the first phase of every row."""
        self.world = world
        n = world.rows
        self.phase, self.count, self.tries = (np.zeros(n, np.int64) for _ in range(3))
        self._yaw, self._height = np.zeros(n), np.zeros(n)
        things = world.options.world.things
        self._hold, self._center, self._symmetry, self._rest, self._bottom, self._support = (
            np.array([getattr(thing, name) for thing in things])
            for name in ("hold", "center", "symmetry", "rest", "bottom", "support")
        )

    def restart(self, ids: np.ndarray) -> None:
        """Starts anew in the rows `ids`."""
        for values in (self.phase, self.count, self.tries, self._yaw, self._height):
            values[ids] = 0

    @property
    def done(self) -> np.ndarray:
        """`[n]` bool: whether nothing is left to do."""
        return self.phase == DONE

    def act(self) -> np.ndarray:
        """`[n, 7]` in [-1, 1]: the next control step of the live rows."""
        error = error_to(self.world.target.pose, self._wanted())
        far = np.sqrt((error[:, :3] ** 2).sum(axis=1))
        turned = np.abs(error[:, 3:]).max(axis=1)
        reached = (far < NEAR[self.phase]) & (turned < TURNED[self.phase])
        over = reached | (self.count >= LONGEST[self.phase])
        if over.any():
            self._next(np.flatnonzero(over))
            error = error_to(self.world.target.pose, self._wanted())
        action = np.zeros((self.world.rows, ACTION))
        action[:, :3], action[:, 3:6] = error[:, :3] / MOVE, error[:, 3:] / TURN
        action[:, 6] = np.where((self.phase >= CLOSE) & (self.phase < OPEN), -1.0, 1.0)
        self.count += 1
        return np.minimum(np.maximum(action, -1.0), 1.0)

    def noise(self, draws: np.ndarray) -> np.ndarray:
        """`[n, 7]` standard normal numbers as the noise of the phases that the rows are in."""
        return draws * NOISE * SHARE[self.phase][:, None]

    def _next(self, ids: np.ndarray) -> None:
        """The next phase of some rows; a grasp that has missed is tried once more."""
        world = self.world
        holds = judging.lifted(world.options.world, world.poses, world.touch, world.source)
        missed = (self.phase[ids] == LIFT) & ~holds[ids] & (self.tries[ids] == 0)
        self.tries[ids] += missed
        self.phase[ids] = np.where(missed, ABOVE, np.minimum(self.phase[ids] + 1, DONE))
        self.count[ids] = 0
        leaving = ids[self.phase[ids] == LEAVE]
        self._height[leaving] = world.target.pose.position[leaving, 2] + RETREAT

    def _wanted(self) -> Pose:
        """Where the tools should be, in the frame of the arm's base."""
        world, phase, row = self.world, self.phase, np.arange(self.world.rows)
        source, now, tool = world.source, world.target.pose, world.tool
        moved, other = world.poses[row, source], world.poses[row, 1 - source]
        along = judging.axis_x(moved[:, 3:])
        grasping, placing = phase <= DESCEND, (phase == OVER) | (phase == LOWER)

        held = moved[:, :3] + along * self._hold[source][:, None]
        middle = moved[:, :3] + along * self._center[source][:, None]
        # The thing goes with the tool, however it was grasped.
        over = tool[:, :2] + other[:, :2] - middle[:, :2]
        position = now.position.copy()
        position[:, :2] = np.where(grasping[:, None], held[:, :2], position[:, :2])
        position[:, :2] = np.where(placing[:, None], over, position[:, :2])

        grasp = np.maximum(moved[:, 2], self._rest[source]) - world.height
        bottom = moved[:, 2] - self._bottom[source]
        placed = tool[:, 2] + other[:, 2] + self._support[1 - source] + GAP - bottom
        off = np.sqrt(((position - now.position)[:, :2] ** 2).sum(axis=1))
        funnel = FUNNEL * np.maximum(off - FUNNEL_FROM, 0.0)
        heights = np.stack(
            [
                np.full(len(row), HIGH),
                np.minimum(grasp + funnel, HIGH),
                np.minimum(placed + funnel, HIGH),
                self._height,
            ]
        )
        choice = np.array([0, 1, -1, 0, 0, 2, -1, 3, -1])[phase]
        position[:, 2] = np.where(choice < 0, now.position[:, 2], heights[choice, row])

        yaw = _grasp_yaw(along, self._symmetry[source], now.rotation)
        self._yaw = np.where(grasping, yaw, self._yaw)
        return Pose(position, turn("z", np.cos(self._yaw), np.sin(self._yaw)) @ DOWN)


def _grasp_yaw(along: np.ndarray, symmetry: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    """`[n]` radians of the grasps nearest to how the tools are turned: fingers close across the x axis."""
    yaw, now = np.arctan2(along[:, 1], along[:, 0]), np.arctan2(-rotation[:, 0, 1], rotation[:, 1, 1])
    # What is all but half a turn away is always turned the same way.
    turns = np.ceil((now - yaw) / symmetry - 0.5 - 1e-9)
    return yaw + symmetry * turns
