"""Operations of the compiled program of an update, as a CPU can count them: what is launched, about.

python -m benchmarks.programs --algorithms=rankq,sac

Counted are the instructions inside the scan over updates that compute something, in the layout of an
accelerator (critics and seeds batched). A loop counts as one, whatever it repeats.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import jax

from benchmarks import report, work
from benchmarks.operations import NEEDED, Sizes
from rankq_jax.parallel import seeds_over_devices
from rankq_jax.training.agents import lifted

UPDATES = 50  # in a dispatch: the number of turns by which the scan is found
FREE = {"parameter", "get-tuple-element", "tuple", "bitcast", "constant"}  # which compute nothing
COLUMNS = ("algorithm", "numbers drawn within updates", "before them", "ratio")


def computations(program: str) -> dict[str, list[str]]:
    """`{name: its instructions}` of the text of a compiled program."""
    found: dict[str, list[str]] = {}
    own: list[str] = []
    for line in program.splitlines():
        if line.endswith("{") and (head := re.match(r"(?:ENTRY )?%?([\w.-]+) ", line)):
            own = found.setdefault(head[1], [])
        elif " = " in line:
            own.append(line.strip())
    return found


def opcode(instruction: str) -> str:
    """What an instruction is: `fusion`, `dot`, ..."""
    right = instruction.partition(" = ")[2]
    if right.startswith("("):  # the type is a tuple, whose elements have no spaces after closing brackets
        depth = 0
        for i, letter in enumerate(right):
            depth += (letter == "(") - (letter == ")")
            if depth == 0:
                right = right[i + 1 :]
                break
    else:
        right = right.partition(" ")[2]
    return right.strip().partition("(")[0]


def _computing(within: dict[str, list[str]], name: str) -> Iterator[str]:
    """Opcodes of a computation and of those it calls."""
    for instruction in within[name]:
        kind = opcode(instruction)
        if kind == "call":
            (called,) = re.findall(r"to_apply=%?([\w.-]+)", instruction)
            yield from _computing(within, called)
        elif kind not in FREE:
            yield kind


def counted(program: str, turns: int = UPDATES) -> Counter[str]:
    """`{opcode: instructions}` in one turn of the loop with so many turns.

    Raises:
      ValueError: if the program has no such loop, or several.
    """
    within = computations(program)
    loops = {
        re.findall(r"body=%?([\w.-]+)", instruction)[0]
        for instructions in within.values()
        for instruction in instructions
        if opcode(instruction) == "while" and f'"known_trip_count":{{"n":"{turns}"' in instruction
    }
    if len(loops) != 1:
        raise ValueError(f"the program has {len(loops)} loops of {turns} turns")
    return Counter(_computing(within, loops.pop()))


def compiled(algorithm: str, draws: str) -> str:
    """The compiled program of a dispatch of one seed, as text."""
    execution = {"critics": "batched", "seeds": "batched", "draws": draws}
    config = work.configured(algorithm, Sizes(), execution=execution)
    layout = seeds_over_devices(1, jax.local_devices()[:1])
    state, sources = work.learner(config, layout, work.dataset(1_000), capacity=1_000)
    update: Any = lifted(work.agent(config), config, layout, UPDATES).update
    return update.lower(state, sources, layout.split(work.keys(1))).compile().as_text()


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point."""
    parser = report.parser("programs", "Operations per update, as a Markdown table.", rounds=1)
    parser.add_argument("--algorithms", type=report.names(NEEDED), default=tuple(NEEDED))
    arguments = report.parsed(parser, argv)
    print(report.heading(arguments))
    print(report.header(COLUMNS), flush=True)
    results = []
    for algorithm in arguments.algorithms:
        kinds = {draws: counted(compiled(algorithm, draws)) for draws in ("within", "before")}
        within, before = (sum(kinds[draws].values()) for draws in ("within", "before"))
        print(report.row((algorithm, str(within), str(before), f"{before / within:.2f}")), flush=True)
        results.append({"algorithm": algorithm, **kinds})
    report.write("programs", arguments, results)


if __name__ == "__main__":
    main()
