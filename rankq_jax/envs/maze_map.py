"""Maze maps: cells and where they lie."""

from typing import NamedTuple

import numpy as np


class MazeMap(NamedTuple):
    """A grid of square cells.

    Attributes:
      cells: rows of cells, 1 a wall and 0 free.
      cell_size: edge of a cell, in metres.
      corner: position of the centre of cell (0, 0), in metres.
      down: +1.0 if y grows from row to row, -1.0 if it falls.
    """

    cells: tuple[tuple[int, ...], ...]
    cell_size: float
    corner: tuple[float, float]
    down: float


def centred(cells: tuple[tuple[int, ...], ...], cell_size: float) -> MazeMap:
    """The frame of gymnasium-robotics: the origin in the middle, y upwards."""
    x, y = -(len(cells[0]) - 1) / 2 * cell_size, (len(cells) - 1) / 2 * cell_size
    return MazeMap(cells, cell_size, (x, y), -1.0)


def from_start(cells: tuple[tuple[int, ...], ...], cell_size: float) -> MazeMap:
    """The frame of D4RL and OGBench: the origin in cell (1, 1), where episodes start, y downwards."""
    return MazeMap(cells, cell_size, (-cell_size, -cell_size), 1.0)


def centre(maze: MazeMap, cell: tuple[int, int]) -> np.ndarray:
    """`[2]` position of the centre of a cell (row, column), in metres."""
    x, y = maze.corner
    return np.array([x + cell[1] * maze.cell_size, y + maze.down * cell[0] * maze.cell_size])


def free_cells(maze: MazeMap) -> np.ndarray:
    """`[cells, 2]` centres of the free cells, in metres, row by row."""
    rows = enumerate(maze.cells)
    free = [(i, j) for i, row in rows for j, value in enumerate(row) if value == 0]
    return np.array([centre(maze, cell) for cell in free])


def square(maze: MazeMap) -> tuple[np.ndarray, float]:
    """`([2], width)`: the middle of a maze, and the side of the square that it lies in, in metres."""
    rows, columns = len(maze.cells), len(maze.cells[0])
    opposite = centre(maze, (rows - 1, columns - 1))
    return (np.asarray(maze.corner) + opposite) / 2.0, max(rows, columns) * maze.cell_size


def inside(maze: MazeMap, position: np.ndarray) -> np.ndarray:
    """`[n, 2] -> [n]` bool: whether a position lies in a free cell."""
    column = np.floor((position[:, 0] - maze.corner[0]) / maze.cell_size + 0.5).astype(int)
    row = np.floor(maze.down * (position[:, 1] - maze.corner[1]) / maze.cell_size + 0.5).astype(int)
    cells = np.asarray(maze.cells)
    known = (row >= 0) & (row < cells.shape[0]) & (column >= 0) & (column < cells.shape[1])
    return known & (cells[np.where(known, row, 0), np.where(known, column, 0)] == 0)


def within(position: np.ndarray, target: np.ndarray, radius: float) -> np.ndarray:
    """`[n, >= 2], [n, 2] or [2] -> [n]` bool: whether x and y lie within `radius` metres of a target."""
    x, y = position[:, 0] - target[..., 0], position[:, 1] - target[..., 1]
    return np.sqrt(x * x + y * y) <= radius  # as `np.linalg.norm` along an axis, in half of its time
