"""Somebody who does as the expert does, but sees things beside where they are and feels nothing."""

import numpy as np

from rankq_jax.envs.tabletop.expert import GAP, REACH, Expert, Seen
from rankq_jax.envs.tabletop.world import World


class Blunderer(Expert):
    """An expert that misses things, goes on without them, and lets them go beside their places.

    It fails as imitators do. Recordings that begin where it has led show how to go on from there.
    """

    def __init__(self, world: World, grasping: np.ndarray, placing: np.ndarray) -> None:
        """Starts in the first phase of every row.

        Args:
          world: that it acts in.
          grasping: `[n, 2]` metres, how far beside a thing it closes the gripper.
          placing: `[n, 2]` metres, how far beside the right place it opens it.
        """
        super().__init__(world)
        self.phase[:] = REACH
        self._grasping, self._placing = grasping, placing

    def _felt(self) -> np.ndarray:
        """It takes every grasp for a good one."""
        return np.ones(self.world.rows, bool)

    def _seen(self) -> Seen:
        """Where it takes things to be. What it has not in its gripper it believes to carry all the same."""
        seen, row = super()._seen(), np.arange(self.world.rows)
        there = super()._felt()
        other = self.world.poses[row, 1 - self.world.source]
        support = self._support[1 - self.world.source]
        # As high as if it had grasped the thing where it lay.
        carried = other[:, 2] + support + GAP + seen.grasp
        over = np.where(there[:, None], seen.over, other[:, :2]) + self._placing
        placed = np.where(there, seen.placed, carried)
        return seen._replace(held=seen.held + self._grasping, over=over, placed=placed)
