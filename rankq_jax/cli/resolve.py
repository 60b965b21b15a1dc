"""Reads and builds configurations as the training command would, and trains nothing: what launchers ask.

echo '{"build": true, "jobs": [["--config=rankq:pointmaze-umaze"]]}' | \\
    python -m rankq_jax.cli.resolve

Standard input is `{"build": whether to build networks and phases too, "jobs": flags of each}`. The answer on
standard output is a list with one mapping for each job: `{"error": one line}`, or
`{"sections": names, "read": names}` of all sections of algorithms and of those that a phase of the job reads.
"""

import json
import os
import signal
import sys
from typing import Any

import jax

from rankq_jax import configs
from rankq_jax.agents import AGENTS
from rankq_jax.cli.main import load, parser
from rankq_jax.errors import InputError, one_line
from rankq_jax.training import build, memory

PATIENCE = 120  # seconds that one configuration may take to build


def resolved(flags: list[str], built: bool) -> dict[str, Any]:
    """What there is to say about the flags of one run.

    Args:
      flags: of `rankq train`.
      built: whether to build the experiment too, for one CPU device, whatever devices it will train on.
    """
    try:
        values = parser("train").read(flags)
        load(values.imports)
        config = configs.read(values.words, whole=built).config
        read = sorted(set(configs.algorithms_of(config)))
        if built:
            memory.check(config, build.experiment(config, jax.devices("cpu")[:1]))
    except InputError as error:
        return {"error": one_line(error)}
    return {"sections": sorted(AGENTS), "read": read}


def _apart(flags: list[str], built: bool) -> dict[str, Any]:
    """`resolved` in a process of its own, because what one imports is no business of another."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        signal.alarm(PATIENCE)
        try:
            os.write(writer, json.dumps(resolved(flags, built)).encode())
        except Exception as error:  # a file of a configuration may raise anything
            text = f"{type(error).__name__}: {one_line(error)[:1000]}"
            os.write(writer, json.dumps({"error": text}).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as answer:
        said = answer.read()
    _, status = os.waitpid(child, 0)
    if not said:
        ended = f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else "no answer"
        return {"error": f"reading and building the configuration ended with {ended}"}
    found: dict[str, Any] = json.loads(said)
    return found


def main() -> None:
    """Entry point."""
    answer = os.dup(1)
    os.dup2(2, 1)  # what the file of a configuration prints is no part of the answer
    asked = json.load(sys.stdin)
    found = [_apart(flags, asked["build"]) for flags in asked["jobs"]]
    with os.fdopen(answer, "w") as file:
        json.dump(found, file)


if __name__ == "__main__":
    main()
