"""The operations that an update needs: the matrix products of its networks, by arithmetic.

A multiply-add counts as two. Elementwise work, optimizers and the drawing of batches are left out. Every
action of a set is a full evaluation of (observation, action). The gradient that an actor needs of a critic is
that of its whole input.
"""

from collections.abc import Callable
from fractions import Fraction
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp


class Sizes(NamedTuple):
    """What the operations of an update depend on; those of the ant mazes.

    Attributes:
      hidden: widths of the hidden layers, of the actor and of each critic member.
      batch: B.
      observation: O.
      action: A.
      members: E.
      backup: policy actions of a backup.
      samples: actions in each of CQL's three sets.
      perturbed: actions in RankQ's set.
      actor_every: TD3's critic updates for each policy update.
    """

    hidden: tuple[int, ...] = (256, 256)
    batch: int = 256
    observation: int = 29
    action: int = 8
    members: int = 2
    backup: int = 10
    samples: int = 10
    perturbed: int = 4
    actor_every: int = 2


class Product(NamedTuple):
    """`times` matrix products `[left, inner] x [inner, right]` in an update."""

    left: int
    inner: int
    right: int
    times: Fraction


class Network(NamedTuple):
    """Layers of a perceptron, and how many of them there are."""

    widths: tuple[int, ...]
    members: int = 1

    def pass_(
        self, rows: int, weights: bool = False, inputs: bool = False, times: Fraction = Fraction(1)
    ) -> list[Product]:
        """A forward pass of `rows` rows, and what of the backward pass is needed.

        Args:
          rows: R.
          weights: also the gradient of all weights.
          inputs: also the gradient of the input of the first layer; the inputs of the others are needed with
            either gradient.
          times: how often an update makes the pass.
        """
        found = []
        times = times * self.members
        for i, (fan_in, fan_out) in enumerate(zip(self.widths, self.widths[1:], strict=False)):
            found.append(Product(rows, fan_in, fan_out, times))
            if weights:
                found.append(Product(fan_in, rows, fan_out, times))
            if inputs or (weights and i > 0):
                found.append(Product(rows, fan_out, fan_in, times))
        return found


def policy(sizes: Sizes, outputs: int = 1) -> Network:
    """A policy with `outputs` numbers per action dimension: 2 where it gives a deviation too."""
    return Network((sizes.observation, *sizes.hidden, outputs * sizes.action))


def critic(sizes: Sizes, members: int | None = None) -> Network:
    """The members of the ensemble, by default all."""
    return Network((sizes.observation + sizes.action, *sizes.hidden, 1), members or sizes.members)


def sac(sizes: Sizes) -> list[Product]:
    """The backup of N policy actions, the critic's gradient on the data, the actor's through the critic."""
    rows, pi, q = sizes.batch, policy(sizes, 2), critic(sizes)
    backup = pi.pass_(rows) + q.pass_(rows * sizes.backup)
    actor = pi.pass_(rows, weights=True) + q.pass_(rows, inputs=True)
    return backup + q.pass_(rows, weights=True) + actor


def rankq(sizes: Sizes) -> list[Product]:
    """SAC, and the critic's gradient on the perturbed actions."""
    return sac(sizes) + critic(sizes).pass_(sizes.batch * sizes.perturbed, weights=True)


def cql(sizes: Sizes) -> list[Product]:
    """SAC, and the critic's gradient on three sets of actions.

    The policy needs no further pass: the backup has been at the next observations, the actor at the current
    ones, with the same weights.
    """
    return sac(sizes) + critic(sizes).pass_(3 * sizes.batch * sizes.samples, weights=True)


def iql(sizes: Sizes) -> list[Product]:
    """Gradients of value, policy and critic on the data; target values, and the new value at both states."""
    rows, pi, q = sizes.batch, policy(sizes), critic(sizes)
    v = Network((sizes.observation, *sizes.hidden, 1))
    gradients = [p for network in (v, pi, q) for p in network.pass_(rows, weights=True)]
    return gradients + q.pass_(rows) + 2 * v.pass_(rows)


def delayed(sizes: Sizes) -> list[Product]:
    """One policy step of TD3+BC, through the first critic member alone."""
    rows = sizes.batch
    return policy(sizes).pass_(rows, weights=True) + critic(sizes, 1).pass_(rows, inputs=True)


def td3_bc(sizes: Sizes) -> list[Product]:
    """The target and the critic's gradient, and a share of a policy step."""
    rows, q = sizes.batch, critic(sizes)
    every = policy(sizes).pass_(rows) + q.pass_(rows) + q.pass_(rows, weights=True)
    return every + [p._replace(times=p.times / sizes.actor_every) for p in delayed(sizes)]


NEEDED: dict[str, Callable[[Sizes], list[Product]]] = {
    "sac": sac, "rankq": rankq, "iql": iql, "td3_bc": td3_bc, "cql": cql, "cal_ql": cql,
}  # fmt: skip


def total(products: list[Product]) -> float:
    """Operations of all products."""
    return float(sum(2 * p.left * p.inner * p.right * p.times for p in products))


def counted(jaxpr: Any) -> int:
    """Operations of the `dot_general`s of a traced program; every branch of a condition counts once."""
    found = 0
    for equation in jaxpr.eqns:
        if equation.primitive.name == "dot_general":
            (contracted, _), _ = equation.params["dimension_numbers"]
            shape = equation.invars[0].aval.shape
            inner = 1
            for axis in contracted:
                inner *= shape[axis]
            found += 2 * equation.outvars[0].aval.size * inner
        repeats = equation.params.get("length", 1) if equation.primitive.name == "scan" else 1
        for parameter in equation.params.values():
            for part in parameter if isinstance(parameter, tuple | list) else (parameter,):
                inside = getattr(part, "jaxpr", part)
                if hasattr(inside, "eqns"):
                    found += repeats * counted(inside)
    return found


def back_to_back(products: list[Product], repeats: int) -> tuple[Callable[[], Any], float]:
    """The bare products, one after another in a loop on the device, `repeats` times a call.

    One number of each result goes into the next left matrix, and the results are carried, so that the
    compiler can neither move a product out of the loop nor compute less of it.

    Returns:
      The call, and its operations: a product that an update makes half a time is run once.
    """
    whole = [p._replace(times=Fraction(max(1, round(p.times)))) for p in products]
    lefts = [jnp.ones((p.left, p.inner)) for p in whole]
    rights = [jnp.full((p.inner, p.right), 1.0 / p.inner) for p in whole]
    results = [jnp.ones((p.left, p.right)) for p in whole]

    def body(carry: Any, step: None) -> tuple[Any, None]:
        lefts, rights, results = (list(part) for part in carry)
        for i, product in enumerate(whole):
            for _ in range(int(product.times)):
                results[i] = lefts[i] @ rights[i]
                lefts[i] = lefts[i].at[0, 0].set(results[i][0, 0])
        return (lefts, rights, results), None

    run = jax.jit(lambda *start: jax.lax.scan(body, start, None, length=repeats)[0], donate_argnums=(0, 2))
    carry: Any = (lefts, rights, results)

    def call() -> Any:
        nonlocal carry
        carry = run(*carry)
        return carry

    return call, repeats * total(whole)
