"""The training loop: the one place where collecting, updating, evaluating and reporting meet."""

from rankq_jax.loop.run import Listener, initial, run
from rankq_jax.loop.state import Progress, RunState, World, portable, restored

__all__ = ["Listener", "Progress", "RunState", "World", "initial", "portable", "restored", "run"]
