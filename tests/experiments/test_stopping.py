"""Requests to stop: at once while nothing would be lost, noted afterwards."""

import os
import signal
import subprocess
import sys

import pytest

from rankq_jax.training.stopping import SIGNALS, Requests


@pytest.fixture
def handlers():
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_request_sets_a_flag_once_there_is_something_to_lose(number, handlers):
    requests = Requests().hear()
    assert not requests()
    requests.note()
    os.kill(os.getpid(), number)
    assert requests()
    os.kill(os.getpid(), number)  # a storm changes nothing more
    assert requests()


EARLY = """
import os, sys
from rankq_jax.training import stopping
stopping.Requests("try again").hear()
try:
    os.kill(os.getpid(), int(sys.argv[1]))
finally:
    print("never", flush=True)
"""


@pytest.mark.parametrize("number", SIGNALS)
def test_a_request_before_anything_was_written_ends_the_process_at_once(number):
    command = [sys.executable, "-c", EARLY, str(int(number))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 75 and done.stdout == ""
    assert done.stderr == "stopped: nothing had been done since the last checkpoint; try again\n"


def test_a_signal_that_was_ignored_stays_ignored(handlers):
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    requests = Requests().hear()
    os.kill(os.getpid(), signal.SIGUSR1)
    assert not requests()


WAITING = """
import os, signal, time
from rankq_jax.training import stopping
stopping.SECOND = 0.2
requests = stopping.Requests().hear()
requests.note()
for pause, number in ((0.0, signal.SIGINT), (0.0, signal.SIGINT), (0.4, signal.SIGTERM)):
    time.sleep(pause)
    os.kill(os.getpid(), number)
print("still here", flush=True)
os.kill(os.getpid(), signal.SIGINT)
print("never", flush=True)
"""


def test_a_second_interrupt_ends_the_process_at_once():
    done = subprocess.run([sys.executable, "-c", WAITING], capture_output=True, text=True, timeout=60)
    assert done.returncode == 75 and done.stdout == "still here\n"
    assert done.stderr == "stopped at once; the same command goes on from the last checkpoint\n"


# Where Python passes no error on: it prints "Exception ignored in", and goes on.
DEAF = """
import gc, os, signal, sys
from rankq_jax.cli import command as cli
from rankq_jax.training.stopping import Requests
from tqdm import tqdm

class Destroyed:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)

def collector(phase, information):
    if phase == "stop":
        os.kill(os.getpid(), signal.SIGINT)

def body():
    bar = tqdm(total=3)  # one that nobody closes any more
    if PLACE == "destructor":
        Destroyed()
    else:
        gc.callbacks.append(collector)
        gc.collect()
    print("went on", flush=True)

def main(words):
    if not HEARD:
        body()
    Requests().hear()
    body()

PLACE, HEARD = sys.argv.pop(), sys.argv.pop() == "heard"
cli.run(main)
"""


@pytest.mark.parametrize("place", ["destructor", "collector"])
@pytest.mark.parametrize("heard", ["heard", "unheard"])
def test_a_signal_where_errors_are_swallowed(heard, place):
    command = [sys.executable, "-c", DEAF, heard, place]
    done = subprocess.run(command, capture_output=True, timeout=60)  # bytes, which keep \r
    stopped = (75, "stopped: nothing had been done since the last checkpoint; the same command goes on\n")
    drawn, said = done.stderr.decode().rsplit("\r", 1)
    assert "0/3" in drawn and "\n" not in drawn
    assert (done.returncode, said) == (stopped if heard == "heard" else (130, "error: interrupted\n"))
    assert done.stdout == b""
