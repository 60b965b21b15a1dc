"""A run that begins with another one's weights, and is killed."""

import shutil

from tests.faults.comparison import compare, newest

LENGTHS = (
    "--config.offline.updates=40", "--config.online.env_steps=750", "--config.discount=0.98",
)  # fmt: skip
KILL = """
import os
import signal
from rankq_jax.loop import iteration

def dispatch_updates(state, *rest, inner=iteration.dispatch_updates):
    if (state.progress.updates, state.progress.env_steps) == PLACE:
        os.kill(os.getpid(), signal.SIGKILL)
    return inner(state, *rest)

iteration.dispatch_updates = dispatch_updates
"""


def test_it_ends_like_one_that_was_not_killed(train, straight, tmp_path):
    """Killed at its first updates, while the other run goes on; killed online, when the other run is gone."""
    source, prelude = tmp_path / "source", tmp_path / "kill.py"
    shutil.copytree(straight, source)
    later = newest(source)
    shutil.move(later, tmp_path / "later")
    flags = (*LENGTHS, f"--config.init_from={source}")
    result = train(tmp_path / "undisturbed", *flags).result()
    assert result.status == 0 and f"weights of {source}" in result.out, result.error

    def killed(place):
        prelude.write_text(KILL.replace("PLACE", repr(place)))
        result = train(tmp_path / "run", *flags, prelude=prelude).result()
        assert result.status == -9, result.error

    killed((0, 0))
    assert not list((tmp_path / "run" / "checkpoints").glob("[0-9]*"))
    shutil.move(tmp_path / "later", later)
    killed((45, 500))
    assert list((tmp_path / "run" / "checkpoints").glob("[0-9]*"))
    shutil.rmtree(source)
    result = train(tmp_path / "run", *flags).result()
    assert result.status == 0, result.error
    assert compare(tmp_path / "undisturbed", tmp_path / "run") == ([], 0)
