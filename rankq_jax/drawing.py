"""Scans whose random numbers are drawn before they begin: fewer and larger kernels on an accelerator."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.extend.core import Jaxpr, Literal

LIMIT = 2**20  # bytes that a step may be handed, beyond which rows are read within it
INLINED = ("jit", "pjit", "closed_call")  # calls of which a part may be computed before


class _Step(NamedTuple):
    """One equation of a traced program: alone, and which numbered values it reads and writes."""

    alone: Jaxpr
    reads: tuple[int, ...]
    writes: tuple[int, ...]


class _Program:
    """A traced program as a list of steps, those of calls among them.

    Attributes:
      steps: in their order.
      outer: `{number: value}` of what the program closes over.
      literals: `{number: value}`.
    """

    def __init__(self) -> None:
        self.steps: list[_Step] = []
        self.outer: dict[int, Any] = {}
        self.literals: dict[int, jax.Array] = {}
        self._count = 0

    def new(self) -> int:
        """The number of another value."""
        self._count += 1
        return self._count

    def add(self, jaxpr: Jaxpr, constants: Sequence[Any], arguments: Sequence[int]) -> list[int]:
        """Appends the equations of a traced function; returns the numbers of its results."""
        known: dict[Any, int] = dict(zip(jaxpr.invars, arguments, strict=True))
        for variable, value in zip(jaxpr.constvars, constants, strict=True):
            known[variable] = self.new()
            self.outer[known[variable]] = value

        def number(atom: Any) -> int:
            if not isinstance(atom, Literal):
                return known[atom]
            found = self.new()
            self.literals[found] = jnp.asarray(atom.val, atom.aval.dtype)  # type: ignore[attr-defined]
            return found

        for equation in jaxpr.eqns:
            if equation.primitive.name in INLINED:
                inner = equation.params["jaxpr"]
                found = self.add(inner.jaxpr, inner.consts, list(map(number, equation.invars)))
                known.update(zip(equation.outvars, found, strict=True))
            else:
                inputs = list(dict.fromkeys(v for v in equation.invars if not isinstance(v, Literal)))
                known.update({variable: self.new() for variable in equation.outvars})
                alone = jaxpr.replace(
                    constvars=(),
                    invars=inputs,
                    outvars=equation.outvars,
                    eqns=[equation],
                    effects=equation.effects,
                )
                reads, writes = (tuple(known[v] for v in of) for of in (inputs, equation.outvars))
                self.steps.append(_Step(alone, reads, writes))
        return list(map(number, jaxpr.outvars))


def _run(steps: Sequence[_Step], values: dict[int, Any]) -> None:
    """Computes the steps; `values` has what they read, and gets what they write."""
    for step in steps:
        found = jax.core.eval_jaxpr(step.alone, (), *(values[at] for at in step.reads))
        values.update(zip(step.writes, found, strict=True))


class _Sorted(NamedTuple):
    """The steps of a program by when they are computed.

    Attributes:
      free: those that depend on no step of the scan; computed wherever they are read.
      before: those that depend on what the steps are given.
      within: all others.
      handed: numbers of the values that `before` hands to `within`.
    """

    free: list[_Step]
    before: list[_Step]
    within: list[_Step]
    handed: list[int]


def _sorted(steps: Sequence[_Step], known: set[int], given: set[int], results: set[int]) -> _Sorted:
    """Sorts steps by what they depend on: what is known of all, what each is given, or the carry."""
    constant, early = set(known), set(given)
    free, before, within = list[_Step](), list[_Step](), list[_Step]()
    for step in steps:
        read = set(step.reads)
        if step.alone.effects or not read <= constant | early:
            within.append(step)
        elif read <= constant:
            free.append(step)
            constant.update(step.writes)
        else:
            before.append(step)
            early.update(step.writes)
    needed = results.union(*(step.reads for step in within))
    return _Sorted(free, before, within, sorted(early & needed))


def scan_drawing_before(
    body: Callable[[Any, Any], tuple[Any, Any]], carry: Any, each: Any
) -> tuple[Any, Any]:
    """`jax.lax.scan(body, carry, each)` that computes first, for all steps, what needs no carry.

    With keys in `each` that is the splitting of keys, the drawing of random numbers, and the rows of a batch
    unless they take more than `LIMIT`. The bits of random numbers are the same. What elementwise functions
    make of them is so up to rounding. All that is drawn for a scan is in memory at a time.

    Args:
      body: as for `scan`, pure.
      carry: its first state.
      each: what the steps get, leaves `[K, ...]`.
    """
    first = jax.tree.map(lambda leaf: leaf[0], each)
    traced, shapes = jax.make_jaxpr(body, return_shape=True)(carry, first)
    program = _Program()
    mine, given = ([program.new() for _ in jax.tree.leaves(part)] for part in (carry, first))
    results = program.add(traced.jaxpr, traced.consts, [*mine, *given])
    known = program.outer | program.literals
    when = _sorted(program.steps, set(known), set(given), set(results))

    def draw(one: Any) -> list[Any]:
        values = known | dict(zip(given, jax.tree.leaves(one), strict=True))
        _run([*when.free, *when.before], values)
        return [values[number] for number in when.handed]

    # What `draw` computes is looked up when it is called.
    if sum(x.size * x.dtype.itemsize for x in jax.eval_shape(draw, first)) > LIMIT:
        when = _sorted(program.steps, set(program.literals), set(given), set(results))

    def step(carry: Any, drawn: list[Any]) -> tuple[Any, Any]:
        values = known | dict(zip(when.handed, drawn, strict=True))
        values.update(zip(mine, jax.tree.leaves(carry), strict=True))
        _run([*when.free, *when.within], values)
        return jax.tree.unflatten(jax.tree.structure(shapes), [values[number] for number in results])

    length = jax.tree.leaves(each)[0].shape[0]
    return jax.lax.scan(step, carry, jax.vmap(draw)(each), length=length)
