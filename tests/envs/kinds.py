"""What the tests of environments share: a small environment of every kind."""

from collections.abc import Callable

from rankq_jax.environments import BatchEnv
from rankq_jax.envs import adroit, ant, ant_maze, point_maze
from rankq_jax.envs.batch import Simulation, batch_env

UMAZE = point_maze.POINT_MAZES["pointmaze-umaze"]
KINDS: dict[str, Callable[[], Simulation]] = {
    "point_maze": lambda: point_maze.simulate(UMAZE, terminates=False),
    "ant_maze": lambda: ant_maze.simulate(ant_maze.ANT_MAZES["umaze"], terminates=False),
    "run_where_told": ant.run_where_told,
    "pen": lambda: adroit.simulate(adroit.HANDS["pen"], terminates=False),
    "door": lambda: adroit.simulate(adroit.HANDS["door"], terminates=False),
    "relocate": lambda: adroit.simulate(adroit.HANDS["relocate"], terminates=False),
}
HORIZON = 20  # of the kinds whose physics is slow, so that a short test sees resets


def make(kind: str, rows: int, threads: int = 1) -> BatchEnv:
    """An environment of a kind; all but the point's have short episodes."""
    simulation = KINDS[kind]()
    if kind != "point_maze":
        simulation = simulation._replace(horizon=HORIZON)
    return batch_env(simulation, rows, threads)


def episodes_of(kind: str, episodes: float) -> int:
    """Steps of so many episodes."""
    return int(episodes * (UMAZE.horizon if kind == "point_maze" else HORIZON))
