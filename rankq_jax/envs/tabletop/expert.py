"""A scripted expert: always the same way to do a task, so that its actions have one mean.

Where it goes is a continuous function of where things are, and what it does next can be seen: an imitator of
single observations has little to guess.
"""

import math
from typing import NamedTuple

import numpy as np

from rankq_jax.envs.tabletop import judging
from rankq_jax.envs.tabletop.arm import DOWN, Pose, turn
from rankq_jax.envs.tabletop.control import ACTION, MOVE, TURN, error_to
from rankq_jax.envs.tabletop.scene import SIDES
from rankq_jax.envs.tabletop.world import World

HIGH, GAP = 0.10, 0.006  # metres: of the way over, of the drop
REACH, CLOSE, CARRY, OPEN, LEAVE, DONE = range(6)  # the phases
CLOSING = 3  # control steps in which a grasp must be felt
# Metres and radians at which a phase has reached its end.
NEAR, TURNED, RISEN = 0.005, 0.08, 0.015
# What is off sideways keeps the tool higher by so much as often, beyond this many metres; and what is turned
# wrongly, in metres per radian beyond `TURNED`, if the thing is longer than wide.
FUNNEL, FUNNEL_FROM, FUNNEL_TURN = 3.0, 0.006, 0.1
RISE = 0.03  # metres below its way at which the tool stops moving sideways
# Standard deviations of the noise on translations and on the turn about the vertical; its share beside things
# and the metres from them at which it is whole.
NOISE = np.array([0.25, 0.25, 0.25, 0.0, 0.0, 0.20, 0.0])
LEAST_SHARE, WHOLE = 0.1, 0.08


class Seen(NamedTuple):
    """What a control step begins with, whatever the phases are.

    Attributes:
      now: where the tools are told to be.
      held: `[n, 2]` metres: above the place at which things are grasped.
      over: `[n, 2]` metres: where the things are above those that they are put on; they go with the tools,
        however they were grasped.
      yaw: `[n]` radians of the grasps.
      grasp: `[n]` metres: height of the grasps.
      placed: `[n]` metres: height at which the things are let go.
    """

    now: Pose
    held: np.ndarray
    over: np.ndarray
    yaw: np.ndarray
    grasp: np.ndarray
    placed: np.ndarray


class Expert:
    """The expert of n rows; it sees where things are, and remembers the phase."""

    def __init__(self, world: World) -> None:
        """Starts in the phase that is seen of every row: where a thing lies well, is held, or is neither."""
        self.world = world
        n = world.rows
        self.count = np.zeros(n, np.int64)
        self._yaw, self._far = np.zeros(n), np.zeros(n)
        things = world.options.world.things
        self._hold, self._center, self._symmetry, self._rest, self._bottom, self._support = (
            np.array([getattr(thing, name) for thing in things])
            for name in ("hold", "center", "symmetry", "rest", "bottom", "support")
        )
        self.phase = np.where(self._lies(), LEAVE, np.where(self._felt(), CARRY, REACH))

    @property
    def done(self) -> np.ndarray:
        """`[n]` bool: whether nothing is left to do."""
        return self.phase == DONE

    def act(self) -> np.ndarray:
        """`[n, 7]` in [-1, 1]: the next control step of the live rows."""
        error, off = self._advance()
        self._far = np.sqrt((error[:, :3] ** 2).sum(axis=1))
        action = np.zeros((self.world.rows, ACTION))
        action[:, :3], action[:, 3:6] = error[:, :3] / MOVE, error[:, 3:] / TURN
        action = np.minimum(np.maximum(action, -1.0), 1.0)
        action[:, :2] *= off[:, None]
        action[:, 6] = np.where((self.phase == CLOSE) | (self.phase == CARRY), -1.0, 1.0)
        self.count += 1
        return action

    def noise(self, draws: np.ndarray) -> np.ndarray:
        """`[n, 7]` standard normal numbers as noise: there is little where the tool is next to things."""
        still = (self.phase == CLOSE) | (self.phase == OPEN) | (self.phase == DONE)
        share = np.where(still, 0.0, np.minimum(np.maximum(self._far / WHOLE, LEAST_SHARE), 1.0))
        return draws * NOISE * share[:, None]

    def _advance(self) -> tuple[np.ndarray, np.ndarray]:
        """Brings the rows into the phases in which they are now; what `_error` returns of those."""
        phase, seen = self.phase, self._seen()
        error, off = self._error(seen)
        near = np.sqrt((error[:, :3] ** 2).sum(axis=1)) < NEAR
        straight = ~self._long() | (np.abs(error[:, 3:]).max(axis=1) < TURNED)
        felt = self._felt()
        lies = self._lies()
        late = (phase == CLOSE) & (self.count >= CLOSING)
        following = phase.copy()
        for at, condition, then in (  # of several, the last one counts
            (REACH, near & straight, CLOSE),
            (CLOSE, late, REACH),
            (CLOSE, felt & (self.count > 0), CARRY),
            (CARRY, near, OPEN),
            (CARRY, ~felt, REACH),
            (OPEN, self.count > 0, LEAVE),
            (LEAVE, error[:, 2] < RISEN, DONE),
            (LEAVE, (error[:, 2] < RISEN) & ~lies, REACH),
        ):
            following = np.where((phase == at) & condition, then, following)
        same = following == phase
        self.count = np.where(same, self.count, 0)
        self.phase = following
        return (error, off) if same.all() else self._error(seen)

    def _long(self) -> np.ndarray:
        """`[n]` bool: whether the thing is longer than wide, so that its grasp must be straight."""
        return self._symmetry[self.world.source] > math.pi / 2

    def _lies(self) -> np.ndarray:
        """`[n]` bool: whether the thing lies where it should."""
        world = self.world
        return judging.succeeds(world.options.world, world.poses, world.touch, world.source)

    def _felt(self) -> np.ndarray:
        """`[n]` bool: whether both fingers touch the thing."""
        sides = self.world.touch.sides[np.arange(self.world.rows), self.world.source]
        felt: np.ndarray = sides[:, SIDES.index("left_finger")] & sides[:, SIDES.index("right_finger")]
        return felt

    def _seen(self) -> Seen:
        """Where tools and things are, and where the tools should be in some phase."""
        world, row = self.world, np.arange(self.world.rows)
        source, now, tool = world.source, world.target.pose, world.tool
        moved, other = world.poses[row, source], world.poses[row, 1 - source]
        along = judging.axis_x(moved[:, 3:])
        middle = moved[:, :3] + along * self._center[source][:, None]
        bottom = moved[:, 2] - self._bottom[source]
        return Seen(
            now=now,
            held=(moved[:, :3] + along * self._hold[source][:, None])[:, :2],
            over=tool[:, :2] + other[:, :2] - middle[:, :2],
            yaw=_grasp_yaw(along, self._long(), now.rotation),
            grasp=np.maximum(moved[:, 2], self._rest[source]) - world.height,
            placed=tool[:, 2] + other[:, 2] + self._support[1 - source] + GAP - bottom,
        )

    def _error(self, seen: Seen) -> tuple[np.ndarray, np.ndarray]:
        """Where the tools should be in the phases of the rows.

        Returns:
          `[n, 6]` metres and radians from where they are told to be, and `[n]` in [0, 1], how fast they may
          move sideways.
        """
        phase, now = self.phase, seen.now
        reaching, carrying = (phase == REACH)[:, None], (phase == CARRY)[:, None]
        position = now.position.copy()
        position[:, :2] = np.where(reaching, seen.held, np.where(carrying, seen.over, position[:, :2]))
        self._yaw = np.where(reaching[:, 0], seen.yaw, self._yaw)
        wanted = Pose(position, turn("z", np.cos(self._yaw), np.sin(self._yaw)) @ DOWN)
        error = error_to(now, wanted)

        off = np.sqrt((error[:, :2] ** 2).sum(axis=1))
        turned = np.where(self._long() & reaching[:, 0], np.abs(error[:, 3:]).max(axis=1), 0.0)
        funnel = FUNNEL * np.maximum(off - FUNNEL_FROM, 0.0) + FUNNEL_TURN * np.maximum(turned - TURNED, 0.0)
        end = np.where(reaching[:, 0], seen.grasp, seen.placed)
        way = np.where(phase == LEAVE, HIGH, np.minimum(end + funnel, HIGH))
        height = np.where((phase == CLOSE) | (phase == OPEN) | (phase == DONE), now.position[:, 2], way)
        error[:, 2] = height - now.position[:, 2]
        return error, np.minimum(np.maximum(1.0 - error[:, 2] / RISE, 0.0), 1.0)


def _grasp_yaw(along: np.ndarray, long: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    """`[n]` radians of the grasps nearest to how the tools are turned: fingers close across the x axis.

    What is as wide as long is grasped as the tool is turned. Its fingers have room for a diagonal of a cube,
    and how a cube is turned can hardly be seen.
    """
    yaw, now = np.arctan2(along[:, 1], along[:, 0]), np.arctan2(-rotation[:, 0, 1], rotation[:, 1, 1])
    # What is all but half a turn away is always turned the same way.
    turns = np.ceil((now - yaw) / math.pi - 0.5 - 1e-9)
    return np.where(long, yaw + math.pi * turns, now)
