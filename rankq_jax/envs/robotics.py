"""The only file that names gymnasium-robotics: its maze maps, maze builder, models and environments."""

import contextlib
import io
import os
from pathlib import Path
from typing import Any

import gymnasium
import mujoco
from gymnasium.envs.registration import EnvSpec

with contextlib.redirect_stderr(io.StringIO()):
    # The import prints a notice about its dense Adroit rewards, which nothing here uses.
    import gymnasium_robotics
    from gymnasium_robotics.envs.maze import maps
    from gymnasium_robotics.envs.maze.maze_v4 import Maze
    from gymnasium_robotics.utils.rotations import euler2quat

__all__ = [
    "ASSETS",
    "GOAL",
    "LARGE_MAZE",
    "MEDIUM_MAZE",
    "POINT",
    "U_MAZE",
    "Cells",
    "env_spec",
    "euler2quat",
    "maze_model",
]

Cells = tuple[tuple[int, ...], ...]

ASSETS = Path(gymnasium_robotics.__file__).parent / "envs" / "assets"
POINT = ASSETS / "point" / "point.xml"
GOAL = maps.GOAL


def _cells(rows: list[list[int]]) -> Cells:
    """A maze map as a value."""
    return tuple(tuple(row) for row in rows)


U_MAZE, MEDIUM_MAZE, LARGE_MAZE = _cells(maps.U_MAZE), _cells(maps.MEDIUM_MAZE), _cells(maps.LARGE_MAZE)


def maze_model(agent: Path, layout: Cells, cell_size: float, height: float) -> mujoco.MjModel:
    """The model of an agent in a maze, as gymnasium-robotics builds it: centred, rows from top to bottom.

    Args:
      agent: model file of the agent.
      layout: rows of cells, 1 a wall.
      cell_size: edge of a cell in metres.
      height: of the walls, in cells.
    """
    _, path = Maze.make_maze(str(agent), [list(row) for row in layout], cell_size, height)
    try:
        return mujoco.MjModel.from_xml_path(path)
    finally:
        os.remove(path)


def env_spec(env_id: str, **arguments: Any) -> EnvSpec:
    """The specification of a gymnasium environment, from which it can be made again."""
    gymnasium.register_envs(gymnasium_robotics)
    env = gymnasium.make(env_id, **arguments)
    spec = env.spec
    env.close()
    assert spec is not None
    return spec
