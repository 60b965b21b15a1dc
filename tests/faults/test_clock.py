"""A clock that jumps by days, forwards and backwards."""

from tests.faults.comparison import newest

# Forwards before the first update, then back by a day in every dispatch. A jump forwards by over ten minutes
# while a checkpoint is written makes orbax give that one up: docs/reliability.md.
JUMPS = """
import itertools
import time
from rankq_jax.loop import iteration

days, places = [0], itertools.count(20, -1)
time.time = lambda now=time.time: now() + 86_400 * days[0]

def dispatch_updates(state, *rest, inner=iteration.dispatch_updates):
    days[0] = next(places)
    return inner(state, *rest)

iteration.dispatch_updates = dispatch_updates
"""


def test_the_clock_jumps_in_every_dispatch(straight, tmp_path, assert_ends_alike):
    prelude, folder = tmp_path / "jumps.py", tmp_path / "run"
    prelude.write_text(JUMPS)
    # Checkpoints by time alone, every 60 ms: those at the ends of the phases and of the best evaluations are
    # fewer than six.
    flags = ("checkpoint_minutes=0.001", "offline.checkpoint_every=0", "online.checkpoint_every=0")
    assert_ends_alike(folder, *(f"--config.{flag}" for flag in flags), prelude=prelude)
    assert int(newest(folder).name) >= 6
