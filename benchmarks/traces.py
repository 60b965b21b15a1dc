"""Where the time of an update goes, from the profiler's trace: operations of the compiled program by kind."""

import re
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax

from benchmarks import report, work
from benchmarks.operations import Sizes
from rankq_jax.parallel import seeds_over_devices
from rankq_jax.training.agents import lifted
from rankq_jax.types import Transition

CONTAINERS = ("while", "call", "conditional")  # their time is that of the operations inside them
SHOWN = 12  # largest operations in the table


class Costs(NamedTuple):
    """Of one update, on average; times are in microseconds, added up over the threads or streams they ran on.

    Attributes:
      by_kind: time of each kind of operation, the largest first: what the program calls it, without numbers.
      by_operation: time of each operation, the largest first, named by what it computes and its shape.
      launches: kernels that the device started; None where the profiler shows no device.
      bytes_accessed: by all operations; None where the profiler does not say.
      wall: of the traced dispatch.
    """

    by_kind: dict[str, float]
    by_operation: dict[str, float]
    launches: float | None
    bytes_accessed: float | None
    wall: float


class Event(NamedTuple):
    """One execution of an operation."""

    name: str
    nanoseconds: float
    stats: dict[str, Any]


def events(path: Path) -> tuple[list[Event], bool]:
    """The executions of operations in a trace, and whether they are those of an accelerator.

    An accelerator's plane holds its streams, and perhaps further lines derived from them, which would count
    everything again.
    """
    planes = list(jax.profiler.ProfileData.from_file(str(path)).planes)
    devices = [plane for plane in planes if plane.name.startswith("/device:")]

    def of(planes: list[Any]) -> Iterator[Event]:
        for plane in planes:
            lines = list(plane.lines)
            streams = [line for line in lines if line.name.startswith("Stream")]
            for line in streams or lines:
                for event in line.events:
                    stats = {key: value for key, value in event.stats if key is not None}
                    operation = str(stats.get("hlo_op", ""))
                    if operation.startswith(CONTAINERS) or not (operation or streams):
                        continue
                    yield Event(operation or event.name, event.duration_ns, stats)

    found = list(of(devices))
    return (found, True) if found else (list(of(planes)), False)


def meanings(program: str) -> dict[str, str]:
    """`{operation: what it computes and its shape}` of the text of a compiled program, where that says it."""
    pattern = r'%?([\w.-]+) = \(?(\w+\[[\d,]*\])[^\n]*?op_name="([^"]+)"'
    return {
        name: f"{source.rsplit('/', 1)[-1]} {shape}" for name, shape, source in re.findall(pattern, program)
    }


def _largest_first(times: dict[str, float]) -> dict[str, float]:
    return dict(sorted(times.items(), key=lambda pair: -pair[1]))


def costs(found: list[Event], accelerator: bool, updates: int, wall: float, known: dict[str, str]) -> Costs:
    """Averages over the updates of a trace.

    Args:
      found: from `events`.
      accelerator: whose they are.
      updates: in the trace.
      wall: seconds of the traced dispatch.
      known: from `meanings`.
    """
    kinds: dict[str, float] = defaultdict(float)
    operations: dict[str, float] = defaultdict(float)
    for event in found:
        microseconds = event.nanoseconds / 1e3 / updates
        kinds[re.sub(r"[.\d]+$", "", event.name)] += microseconds
        operations[f"{event.name} {known.get(event.name, '')}".strip()] += microseconds
    accessed = [int(e.stats["bytes_accessed"]) for e in found if "bytes_accessed" in e.stats]
    return Costs(
        by_kind=_largest_first(kinds),
        by_operation=_largest_first(operations),
        launches=len(found) / updates if accelerator else None,
        bytes_accessed=sum(accessed) / updates if accessed else None,
        wall=1e6 * wall / updates,
    )


def measure(algorithm: str, sizes: Sizes, data: Transition, updates: int) -> Costs:
    """Traces one dispatch of `updates` updates of one seed, after one that is not traced."""
    config = work.configured(algorithm, sizes)
    layout = seeds_over_devices(1, jax.local_devices()[:1])
    state, sources = work.learner(config, layout, data, capacity=1_000)
    agent = work.agent(config, data.action.shape[-1])
    update: Any = lifted(agent, config, layout, updates).update
    keys = layout.split(work.keys(1))
    program = update.lower(state, sources, keys).compile()
    state, metrics = program(state, sources, keys)
    jax.block_until_ready(metrics)
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            begin = time.perf_counter()
            jax.block_until_ready(program(state, sources, keys))
            wall = time.perf_counter() - begin
        (path,) = Path(folder).rglob("*.xplane.pb")
        found, accelerator = events(path)
    return costs(found, accelerator, updates, wall, meanings(program.as_text()))


def text(algorithm: str, found: Costs) -> str:
    """Two Markdown tables: kinds of operations, and the largest operations."""
    whole = sum(found.by_kind.values()) or 1.0

    def table(name: str, times: dict[str, float]) -> list[str]:
        rows = [
            report.row((f"`{key}`", f"{time:,.1f}", f"{100.0 * time / whole:.1f} %"))
            for key, time in list(times.items())[:SHOWN]
        ]
        return [report.header((name, "microseconds", "share")), *rows, ""]

    lines = [
        f"One update of {algorithm}: {found.wall:,.0f} microseconds in the traced dispatch (tracing slows "
        f"it), {whole:,.0f} in operations, added up over threads or streams.",
        "",
        *table("kind", found.by_kind),
        *table("operation", found.by_operation),
    ]
    if found.launches is not None:
        lines.append(f"Kernel launches per update: {found.launches:,.1f}.")
    if found.bytes_accessed is not None:
        lines.append(f"Bytes accessed per update: {found.bytes_accessed:,.0f}.")
    return "\n".join(lines)
