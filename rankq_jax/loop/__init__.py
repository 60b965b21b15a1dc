"""The training loop: the one place where collecting, updating, evaluating and reporting meet."""

from rankq_jax.loop.agents import at_phase
from rankq_jax.loop.run import Listener, initial, run
from rankq_jax.loop.state import Progress, RunState, World, held, portable, restored

__all__ = [
    "Listener",
    "Progress",
    "RunState",
    "World",
    "at_phase",
    "held",
    "initial",
    "portable",
    "restored",
    "run",
]
