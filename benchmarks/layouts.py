"""Layouts of a critic that is asked about N actions of each state: which is fast, forward and with gradients.

python -m benchmarks.layouts --actions=1,5,10,30
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import report
from benchmarks.operations import Sizes, critic, total
from benchmarks.turns import Run, by_turns, timed
from rankq_jax.networks.critics import ensemble
from rankq_jax.types import Params

OfSet = Callable[[Params, jax.Array, jax.Array], jax.Array]  # as `Critic.apply_to_set`
FIRST = "rows, unrolled"  # the one that the others are compared with
WORK = 60  # actions per state in one call of a measurement, in steps of N


class Figures(NamedTuple):
    """One line of the table.

    Attributes:
      actions: N.
      gradient: whether gradients of the weights were computed.
      layout: name.
      operations: that are needed.
      step: `[rounds]` seconds.
      first: `[rounds]` seconds of the layout `FIRST`, by turns.
    """

    actions: int
    gradient: bool
    layout: str
    operations: float
    step: np.ndarray
    first: np.ndarray


def split(params: Params, observation: jax.Array, actions: jax.Array) -> jax.Array:
    """`[E, B, N]` as `apply_to_set`; the observation's part of the first layer is computed once."""
    layers = params["heads"]["params"]
    names = sorted(layers, key=lambda name: int(name.rsplit("_", 1)[1]))
    rows, samples = actions.shape[:2]
    wide = observation.shape[-1]

    def member(weights: list[dict[str, jax.Array]]) -> jax.Array:
        first, *rest = weights
        seen = observation @ first["kernel"][:wide] + first["bias"][None]
        done = actions.reshape(rows * samples, -1) @ first["kernel"][wide:]
        hidden = (seen[:, None] + done.reshape(rows, samples, -1)).reshape(rows * samples, -1)
        for layer in rest:
            hidden = jax.nn.relu(hidden) @ layer["kernel"] + layer["bias"][None]
        return hidden.reshape(rows, samples)

    members = layers[names[0]]["kernel"].shape[0]
    one = [jax.tree.map(lambda x, e=e: x[e], [layers[name] for name in names]) for e in range(members)]
    return jnp.stack([member(weights) for weights in one])


def layouts(sizes: Sizes) -> dict[str, OfSet]:
    """The ways to evaluate sets of actions, on the same parameters."""
    found: dict[str, OfSet] = {}
    for name, unrolled in (("unrolled", True), ("batched", False)):
        one = ensemble(sizes.hidden, sizes.members, unrolled=unrolled)
        found[f"rows, {name}"] = one.apply_to_set
        found[f"vmap, {name}"] = jax.vmap(one.apply, in_axes=(None, None, 1), out_axes=-1)
    return {**found, "split, unrolled": split}


def stepped(of_set: OfSet, sizes: Sizes, actions: int, gradient: bool, steps: int) -> Run:
    """One call makes `steps` steps in a scan, each on new actions, each changing the parameters."""
    key = jax.random.key(0)
    observation = jax.random.normal(key, (sizes.batch, sizes.observation))
    shape = (sizes.batch, actions, sizes.action)
    first = ensemble(sizes.hidden, sizes.members)
    params: Any = jax.jit(first.init)(key, observation, jnp.zeros((sizes.batch, sizes.action)))

    def loss(params: Params, own: jax.Array) -> jax.Array:
        return jnp.mean(jax.nn.softplus(of_set(params, observation, jax.random.uniform(own, shape))))

    def step(params: Params, own: jax.Array) -> tuple[Params, None]:
        if gradient:
            return jax.tree.map(lambda x, g: x - 1e-3 * g, params, jax.grad(loss)(params, own)), None
        factor = 1.0 - 1e-9 * loss(params, own)
        return jax.tree.map(lambda x: x * factor, params), None

    def steps_of(params: Params) -> Params:
        return jax.lax.scan(step, params, jax.random.split(key, steps))[0]

    program = jax.jit(steps_of, donate_argnums=0)

    def run() -> Any:
        nonlocal params
        params = program(params)
        return params

    return run


def measure(sizes: Sizes, actions: int, gradient: bool, duration: float, rounds: int) -> list[Figures]:
    """All layouts of one number of actions by turns."""
    steps = max(2, WORK // actions)
    found = by_turns(
        {
            name: timed(stepped(of_set, sizes, actions, gradient, steps), duration)
            for name, of_set in layouts(sizes).items()
        },
        rounds,
    )
    needed = total(critic(sizes).pass_(sizes.batch * actions, weights=gradient))
    return [
        Figures(actions, gradient, name, needed, seconds / steps, found[FIRST] / steps)
        for name, seconds in found.items()
    ]


def line(figures: Sequence[Figures]) -> str:
    """A row of the table: of each layout the median in milliseconds, and over that of the first."""
    cells = [figures[0].actions, "gradient" if figures[0].gradient else "forward"]
    for one in figures:
        cells.append(f"{1e3 * np.median(one.step):.2f} ({np.median(one.step / one.first):.2f})")
    return report.row(cells)


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point."""
    parser = report.parser("layouts", "Layouts of a critic, as a Markdown table.", rounds=5)
    parser.add_argument("--actions", type=report.numbers, default=(1, 5, 10, 30), help="numbers of actions")
    parser.add_argument("--batch", type=int, default=256, help="states")
    parser.add_argument("--members", type=int, default=2, help="critics")
    parser.add_argument("--hidden", type=report.numbers, default=(256, 256), help="widths of the layers")
    parser.add_argument("--observation", type=int, default=29, help="length of an observation")
    parser.add_argument("--action", type=int, default=8, help="length of an action")
    parser.add_argument("--seconds", type=float, default=0.1, help="of one measurement, about")
    arguments = report.parsed(parser, argv)
    sizes = Sizes(
        hidden=arguments.hidden, batch=arguments.batch, observation=arguments.observation,
        action=arguments.action, members=arguments.members,
    )  # fmt: skip
    print(report.heading(arguments))
    print(f"Milliseconds of one step; in brackets over those of {FIRST!r}, by turns.\n")
    print(report.header(("actions", "pass", *layouts(sizes))), flush=True)
    results = []
    for actions in arguments.actions:
        for gradient in (False, True):
            figures = measure(sizes, actions, gradient, arguments.seconds, arguments.rounds)
            print(line(figures), flush=True)
            results += [one._asdict() for one in figures]
    report.write("layouts", arguments, results)


if __name__ == "__main__":
    main()
