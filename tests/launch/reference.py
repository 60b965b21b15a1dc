"""The smoke sweep on this machine, undisturbed: once for all tests, however many processes they run in."""

import os

from filelock import FileLock

from tests.launch import launching


def folder(factory):
    """The folder of its workdirs.

    Args:
      factory: pytest's `tmp_path_factory`.
    """
    base = factory.getbasetemp()
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    out = base / "smoke-reference"
    with FileLock(base / "smoke-reference.lock"):
        if len(launching.values(out)) < 4:
            launching.smoke("launch.local", "--parallel=2", out=out)
    return out
