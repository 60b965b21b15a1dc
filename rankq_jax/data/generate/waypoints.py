"""Ways through mazes: breadth-first search, random goals, and the controller that moves points."""

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


class Navigator:
    """Sends n agents through a maze to random goals, each replaced by another when it has been reached.

    The object holds the current goals, so one instance serves one collection.
    """

    def __init__(
        self,
        maze: Grid,
        rows: int,
        random: np.random.Generator,
        *,
        radius: float,
        offset: float | np.ndarray,
        goals: np.ndarray | None = None,
        weights: np.ndarray | None = None,
        linger: int = 0,
    ) -> None:
        """Draws the first goals.

        Args:
          maze: the free cells.
          rows: n.
          random: generator that all draws come from.
          radius: distance at which a goal counts as reached, in metres.
          offset: largest distance of a goal from its place along each axis, in metres; one for all places, or
            `[g]`.
          goals: `[g, 2]` places that goals are drawn around; None: the centres of all free cells.
          weights: `[g]` probability of each place; None: all alike.
          linger: steps between reaching a goal and the next goal.
        """
        self._maze, self._random, self._radius = maze, random, radius
        self._places = maze.centre if goals is None else goals
        self._offset, self._weights = np.broadcast_to(offset, len(self._places)), weights
        self._linger, self._reached_for = linger, np.zeros(rows, np.int64)
        self.goal = self._draw(rows)

    def _draw(self, rows: int) -> np.ndarray:
        if self._weights is None:
            place = self._random.integers(len(self._places), size=rows)
        else:
            place = self._random.choice(len(self._places), size=rows, p=self._weights)
        offset = self._random.uniform(-1.0, 1.0, (rows, 2)) * self._offset[place, None]
        return self._places[place] + offset

    def restart(self, rows: np.ndarray) -> None:
        """New goals for the rows `[n]` bool whose episode begins."""
        self.goal = np.where(rows[:, None], self._draw(len(rows)), self.goal)
        self._reached_for[rows] = 0

    def waypoint(self, position: np.ndarray) -> np.ndarray:
        """`[n, 2] -> [n, 2]`: where to go now, the next cell's centre or, in the goal's cell, the goal."""
        near = np.linalg.norm(position - self.goal, axis=1) <= self._radius
        self._reached_for = np.where(near | (self._reached_for > 0), self._reached_for + 1, 0)
        done = self._reached_for > self._linger
        self.goal = np.where(done[:, None], self._draw(len(position)), self.goal)
        self._reached_for[done] = 0
        here, there = nearest_cell(self._maze, position), nearest_cell(self._maze, self.goal)
        onwards = self._maze.centre[self._maze.next_cell[here, there]]
        return np.where((here == there)[:, None], self.goal, onwards)


def steer(
    observation: np.ndarray,
    waypoint: np.ndarray,
    random: np.random.Generator,
    *,
    gain: float = 10.0,
    damping: float = 1.0,
    noise: float = 0.5,
) -> np.ndarray:
    """The published D4RL controller: `clip(gain (waypoint - position) - damping velocity + noise)`.

    Args:
      observation: `[n, 4]` position and velocity of points.
      waypoint: `[n, 2]`.
      random: generator of the noise.
      gain: action per metre of distance to the waypoint.
      damping: action per metre per second of velocity.
      noise: standard deviation of the action noise, in units of the action range [-1, 1].

    Returns:
      `[n, 2]` float32 action in [-1, 1].
    """
    position, velocity = observation[:, :2], observation[:, 2:4]
    disturbance = random.normal(0.0, noise, waypoint.shape)
    action = np.clip(gain * (waypoint - position) - damping * velocity + disturbance, -1.0, 1.0)
    return action.astype(np.float32)  # what is stored is what was done
