"""A scripted controller that walks mazes: breadth-first search and noisy proportional-derivative control."""

from collections import deque
from typing import NamedTuple

import numpy as np


class Grid(NamedTuple):
    """The free cells of a maze.

    Attributes:
      centre: `[cells, 2]` position of each free cell's centre, in metres.
      next_cell: `[cells, cells]` int, the cell to go to from the first towards the second.
      cell_size: edge length, in metres.
    """

    centre: np.ndarray
    next_cell: np.ndarray
    cell_size: float


def grid(centre: np.ndarray, cell_size: float) -> Grid:
    """Shortest paths between all free cells, by one breadth-first search from each.

    Args:
      centre: `[cells, 2]`; two cells are neighbours when their centres are `cell_size` apart along
        one axis.
      cell_size: in metres.

    Raises:
      ValueError: if some cell cannot be reached from another.
    """
    gap = np.abs(centre[:, None] - centre[None]).sum(axis=-1)
    neighbour = np.isclose(gap, cell_size)
    count = len(centre)
    next_cell = np.full((count, count), -1)
    for goal in range(count):
        next_cell[goal, goal] = goal
        frontier = deque([goal])
        while frontier:
            cell = frontier.popleft()
            for before in np.flatnonzero(neighbour[:, cell] & (next_cell[:, goal] < 0)):
                next_cell[before, goal] = cell
                frontier.append(int(before))
    if (next_cell < 0).any():
        raise ValueError("the maze has cells that cannot be reached from each other")
    return Grid(centre, next_cell, cell_size)


def nearest_cell(maze: Grid, position: np.ndarray) -> np.ndarray:
    """`[n, 2] -> [n]`: index of the free cell whose centre is nearest."""
    distance = np.linalg.norm(position[:, None] - maze.centre[None], axis=-1)
    return np.argmin(distance, axis=1)


class WaypointController:
    """Drives n points to random goals, each replaced by another as soon as it is reached.

    `action = clip(gain (waypoint - position) - damping velocity + noise)`, the published D4RL controller.
    The object holds the current goals, so one instance serves one collection.
    """

    def __init__(
        self,
        maze: Grid,
        rows: int,
        random: np.random.Generator,
        *,
        gain: float = 10.0,
        damping: float = 1.0,
        noise: float = 0.5,
        radius: float = 0.45,
    ) -> None:
        """Draws the first goals.

        Args:
          maze: the free cells.
          rows: n.
          random: generator that all later draws come from.
          gain: action per metre of distance to the waypoint.
          damping: action per metre per second of velocity.
          noise: standard deviation of the action noise, in units of the action range [-1, 1].
          radius: distance at which a goal counts as reached, in metres.
        """
        self._maze, self._random = maze, random
        self._gain, self._damping, self._noise, self._radius = gain, damping, noise, radius
        self.goal = self._draw(rows)

    def _draw(self, rows: int) -> np.ndarray:
        cell = self._random.integers(len(self._maze.centre), size=rows)
        offset = self._random.uniform(-0.25, 0.25, (rows, 2)) * self._maze.cell_size
        return self._maze.centre[cell] + offset

    def __call__(self, observation: np.ndarray) -> np.ndarray:
        """`[n, 4]` position and velocity `-> [n, 2]` action in [-1, 1]."""
        position, velocity = observation[:, :2], observation[:, 2:4]
        reached = np.linalg.norm(position - self.goal, axis=1) <= self._radius
        self.goal = np.where(reached[:, None], self._draw(len(position)), self.goal)
        here, there = nearest_cell(self._maze, position), nearest_cell(self._maze, self.goal)
        onwards = self._maze.centre[self._maze.next_cell[here, there]]
        waypoint = np.where((here == there)[:, None], self.goal, onwards)
        noise = self._random.normal(0.0, self._noise, waypoint.shape)
        action = self._gain * (waypoint - position) - self._damping * velocity + noise
        return np.clip(action, -1.0, 1.0)
