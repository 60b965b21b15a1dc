"""Updates per second of behavior cloning of vision-language-action policies, and milliseconds of their parts.

python -m benchmarks.vla_policy --presets=vla-xs,vla-state --batch=64
"""

import argparse
import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import report
from benchmarks.turns import Run, Timed, by_turns, timed
from rankq_jax.agents import Optimizers, flow_bc, jitter_colors, shift_images
from rankq_jax.lifting import jit_agent, scan_updates, with_sampling
from rankq_jax.networks import FAMILIES, VLA_PRESETS
from rankq_jax.specs import TaskSpec, unit_box, vector
from rankq_jax.types import Transition

STATE = 21  # numbers of a state in the place of an image
COLUMNS = ("preset", "what", "compile s", "ms")


class Work(NamedTuple):
    """Calls that are timed, by what they do.

    Attributes:
      runs: the calls.
      updates: of one call of `update`.
    """

    runs: dict[str, Run]
    updates: int


def spec_of(preset: str) -> TaskSpec:
    """The specification of a task that a preset fits."""
    sizes = VLA_PRESETS[preset]
    image = jax.ShapeDtypeStruct((*sizes.image, 3), np.dtype(np.uint8)) if sizes.image else None
    words = jax.ShapeDtypeStruct((sizes.words,), np.dtype(np.int32))
    scene = {"state": vector(STATE, np.float32)} if image is None else {"image": image}
    proprio = vector(sizes.proprio, np.float32)
    return TaskSpec({**scene, "instruction": words, "proprio": proprio}, unit_box(sizes.action_size), 25)


def rows_of(spec: TaskSpec, rows: int) -> Transition:
    """Random rows: only the speed of what reads them counts."""
    random = np.random.default_rng(0)

    def drawn(leaf: Any) -> np.ndarray:
        shape, dtype = (rows, *leaf.shape), leaf.dtype
        if np.issubdtype(dtype, np.integer):
            return random.integers(0, 256 if dtype == np.uint8 else 9, shape, dtype)
        return random.standard_normal(shape, np.float32)

    seen = jax.tree.map(drawn, spec.observation)
    action, zeros = random.uniform(-1, 1, (rows, spec.action_size)), np.zeros(rows, np.float32)
    return Transition(seen, action.astype(np.float32), zeros, zeros, seen, {})


def work_of(preset: str, batch: int, updates: int, rows: int) -> Work:
    """Updates as a run makes them, with images that are moved and colored, and what acting is made of."""
    spec = spec_of(preset)
    networks, data = FAMILIES[preset](spec), jax.tree.map(jnp.asarray, rows_of(spec, rows))
    agent = flow_bc(networks, Optimizers.adam(3e-4, clip=1.0))
    augmented = jitter_colors(shift_images(agent, 4), 0.2)
    lifted = jit_agent(scan_updates(with_sampling(augmented, draw_rows(batch)), updates))
    state = lifted.init(jax.random.key(0), jax.tree.map(lambda x: x[:1], data))
    params, seen = jax.tree.map(jnp.copy, state.average), jax.tree.map(lambda x: x[:batch], data.observation)
    flow = networks.policy.flow
    assert flow is not None
    encode, velocity = jax.jit(flow.encode), jax.jit(flow.velocity)
    prefix, tau = encode(params, seen), jnp.zeros(batch)

    def update() -> Any:
        nonlocal state
        state, metrics = lifted.update(state, data, jax.random.key(1))
        return metrics

    runs: dict[str, Run] = {
        "update": update,
        "encode": lambda: encode(params, seen),
        "velocity": lambda: velocity(params, data.action[:batch], tau, prefix, seen["proprio"]),
    }
    for steps in (1, 10):
        act = jax.jit(flow_bc(networks, Optimizers.adam(3e-4), steps=steps).act_greedy)
        runs[f"act, {steps} step{'s' * (steps > 1)}"] = functools.partial(
            act, params, seen, jax.random.key(2)
        )
    return Work(runs, updates)


def draw_rows(batch: int) -> Any:
    """`(rows, key) -> Transition` of random ones."""

    def draw(rows: Transition, key: jax.Array) -> Transition:
        picked = jax.random.randint(key, (batch,), 0, rows.action.shape[0])
        return jax.tree.map(lambda leaf: leaf[picked], rows)

    return draw


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point."""
    parser = report.parser("vla_policy", "Speed of vision-language-action policies, a Markdown table.", 5)
    parser.add_argument("--presets", type=report.names(VLA_PRESETS), default=("vla-xs",))
    parser.add_argument("--batch", type=int, default=64, help="rows of a batch")
    parser.add_argument("--updates", type=int, default=10, help="of one program")
    parser.add_argument("--dataset", type=int, default=2_000, help="rows that batches are drawn from")
    parser.add_argument("--seconds", type=float, default=2.0, help="that a measurement takes")
    arguments = report.parsed(parser, argv)
    results = measured(arguments)
    print(report.heading(arguments), end="\n\n")
    print(report.header(COLUMNS))
    for preset, found in results.items():
        for what, figures in found.items():
            ms = report.spread(1e3 * np.array(figures["seconds"]))
            print(report.row((preset, what, f"{figures['compile']:.1f}", ms)))
    report.write("vla_policy", arguments, results)


def measured(arguments: argparse.Namespace) -> dict[str, Any]:
    """`{preset: {what: {compile, seconds [rounds] of one}}}`."""
    results = {}
    for preset in arguments.presets:
        work = work_of(preset, arguments.batch, arguments.updates, arguments.dataset)
        ready: dict[str, Timed] = {name: timed(run, arguments.seconds) for name, run in work.runs.items()}
        found = by_turns(ready, arguments.rounds)
        found["update"] = found["update"] / work.updates
        results[preset] = {
            name: {"compile": ready[name].first, "seconds": seconds.tolist()}
            for name, seconds in found.items()
        }
    return results


if __name__ == "__main__":
    main()
