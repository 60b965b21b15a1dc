"""Where the time goes, in one thread and in two."""

import threading
import time

import pytest

from rankq_jax.timing import Stopwatch

COMPILING = "/jax/core/compile/backend_compile_duration"


def test_a_section_counts_without_what_its_own_thread_compiles():
    stopwatch = Stopwatch()
    with stopwatch("update"):
        time.sleep(0.05)
        stopwatch._heard(COMPILING, 0.04)
        other = threading.Thread(target=stopwatch._heard, args=(COMPILING, 7.0))
        other.start()
        other.join()
    assert stopwatch.seconds["compile"] == pytest.approx(7.04)
    assert 0.01 <= stopwatch.seconds["update"] < 0.05 + 0.5
    with stopwatch("update"):
        stopwatch._heard("/jax/core/something/else", 3.0)
    assert stopwatch.seconds["compile"] == pytest.approx(7.04)
