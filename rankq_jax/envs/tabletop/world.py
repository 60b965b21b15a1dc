"""n simulated tables: what one control step does to them, and how their episodes begin."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from rankq_jax.envs.physics import Physics
from rankq_jax.envs.streams import draws
from rankq_jax.envs.tabletop import arm, control, episode, judging, scene, scenes, spawns
from rankq_jax.envs.tabletop.control import SUBSTEPS, Target
from rankq_jax.envs.tabletop.looks import Look, draw_look, write_look
from rankq_jax.envs.tabletop.options import Options
from rankq_jax.envs.tabletop.scene import ARM_POSITIONS
from rankq_jax.envs.tabletop.spawns import GRID

SETTLE, MOVED = 125, 0.01  # physics steps of 4 ms, and metres that nothing moves by meanwhile
LIFTED_BY = 0.1  # radians by which the joints of a randomized start differ


class Judged(NamedTuple):
    """What a control step led to.

    Attributes:
      success: `[n]` bool.
      lifted: `[n]` bool, partial success: the thing is held up.
    """

    success: np.ndarray
    lifted: np.ndarray


class World:
    """n tables that live in shared physics: their user writes `physics.rows` before and reads it after.

    Attributes:
      options: of the world.
      physics: of all rows.
    """

    def __init__(self, options: Options, rows: int, threads: int) -> None:
        """Allocates the simulations.

        Args:
          options: of the world.
          rows: n.
          threads: size of the pool; 0 uses every core.
        """
        self.options, self.rows = options, rows
        self.model = scene.model(options.world)
        live = ("sensordata", "userdata", "mocap_pos")
        self.physics = Physics(self.model, rows, threads, live)
        self.userdata, self._sensors, self._mocap = (
            self.physics.derived[name] for name in ("userdata", "sensordata", "mocap_pos")
        )

    @property
    def poses(self) -> np.ndarray:
        """`[n, 2, 7]`: positions and quaternions of both things."""
        return self.physics.qpos[:, ARM_POSITIONS:].reshape(self.rows, 2, scene.FREE)

    @property
    def source(self) -> np.ndarray:
        """`[n]` int: which of the things is moved."""
        return episode.whole(self.userdata, "source")

    @property
    def target(self) -> Target:
        """What the arms are told."""
        return control.unpack(episode.part(self.userdata, "target"))

    @property
    def touch(self) -> judging.Contacts:
        """Who touches whom, one substep ago."""
        return judging.contacts(self._sensors)

    @property
    def height(self) -> np.ndarray:
        """`[n]` metres that the arms stand too high."""
        return episode.part(self.userdata, "height")

    @property
    def tool(self) -> np.ndarray:
        """`[n, 3]` metres: where the tools are, in the frame of the arm's base."""
        return arm.forward(self.physics.qpos[:, : arm.JOINTS])[0].position

    def control(self, action: np.ndarray, ids: np.ndarray | None) -> Judged:
        """Makes one control step.

        Args:
          action: `[n, 7]` in [-1, 1].
          ids: the rows that move; None for all. The others keep their states, what is said of them is void.
        """
        rows = slice(None) if ids is None else ids
        target = episode.part(self.userdata, "target")
        told = control.advance(control.unpack(target[rows]), action[rows])
        target[rows] = told.pack()
        servos = np.zeros((self.rows, arm.JOINTS + 1))
        servos[rows] = told.control
        self.physics.step(servos, SUBSTEPS, ids)
        touch, poses = self.touch, self.poses
        return Judged(
            judging.succeeds(self.options.world, poses, touch, self.source, self.options.rule),
            judging.lifted(self.options.world, poses, touch, self.source),
        )

    def place_fixtures(self, ids: np.ndarray) -> None:
        """Puts the arm's base and the clutter of the rows to where their episodes want them."""
        self._mocap[ids] = scenes.fixtures(
            episode.part(self.userdata, "height")[ids], episode.whole(self.userdata, "scene")[ids]
        )

    def begin(self, ids: np.ndarray, stream: np.ndarray, number: np.ndarray) -> None:
        """Puts rows to the start of an episode, which is a function of its stream and its number.

        Args:
          ids: of the rows.
          stream: `[n, 2]` uint64 of all rows.
          number: `[n]` int of all rows: how many episodes each has had.
        """
        physics, options = self.physics, self.options
        random = {int(i): draws(stream[i], int(number[i])) for i in ids}
        physics.rows[ids] = physics.initial
        pending, servos = np.sort(ids), np.tile(np.append(arm.START, arm.OPEN), (self.rows, 1))
        while len(pending):
            physics.rows[pending] = physics.initial
            for i in pending:
                start = spawns.draw(options, random[int(i)], int(stream[i][1]), int(number[i]))
                physics.qpos[i] = np.concatenate([arm.START, [arm.OPEN, -arm.OPEN], start.ravel()])
            before = self.poses.copy()
            physics.step(servos, SETTLE, pending)
            off = np.abs(self.poses[:, :, :3] - before[:, :, :3]).max(axis=(1, 2))
            # What is random is drawn again; things in cells of the grid may push each other aside.
            pending = pending[(off[pending] > MOVED) & (options.spawns != GRID)]
        self._finish(ids, [random[int(i)] for i in ids])

    def _finish(self, ids: np.ndarray, random: Sequence[np.random.Generator]) -> None:
        """After the things have come to rest: the arm, the look and the instruction of the episode."""
        physics, options = self.physics, self.options
        joints = np.tile(arm.START, (len(ids), 1))
        for k, (i, own) in enumerate(zip(ids, random, strict=True)):
            source = {"forward": 0, "backward": 1, "both": int(own.integers(2))}[options.direction]
            phrase = int(own.integers(3)) if options.paraphrased else 0
            look: Look = draw_look(options, own)
            if options.randomized:
                joints[k] += own.uniform(-LIFTED_BY, LIFTED_BY, arm.JOINTS)
            write_look(self.userdata[i], look, source, phrase)
        poses = self.poses[ids].copy()
        userdata = self.userdata[ids].copy()
        physics.rows[ids] = physics.initial
        physics.qpos[ids, : arm.JOINTS] = joints
        physics.qpos[ids, arm.JOINTS : ARM_POSITIONS] = (arm.OPEN, -arm.OPEN)
        physics.qpos[ids, ARM_POSITIONS:] = poses.reshape(len(ids), -1)
        userdata[:, episode.COLUMNS["target"]] = control.target_at(joints).pack()
        self.userdata[ids] = userdata
        self.place_fixtures(ids)
