"""What every agent promises, see `check_agent`."""

import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rankq_jax.agents import AgentSpec
from rankq_jax.lifting import scan_batches, vmap_seeds
from rankq_jax.testing.cases import Batch, Case, case_of, random_batch
from rankq_jax.types import Agent


def check_agent(agent: str | AgentSpec | Agent, *, batch: Batch = random_batch, **arguments: Any) -> None:
    """Checks that an agent keeps the contract that the loop, the wrappers and the checkpoints rely on.

    Args:
      agent: the name of a registered algorithm, its record, or an agent for observations and actions of
        the sizes of `batch`.
      batch: `(seed, rows) -> Transition` where the agent needs other columns or shapes than the usual ones.
      **arguments: of the constructor of a record.

    Raises:
      AssertionError: names the agent and what is broken.
    """
    case = case_of(agent, batch, **arguments)
    for check in CHECKS:
        check(case)


def _kinds(tree: Any) -> list[tuple[str, Any, Any]]:
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return [(jax.tree_util.keystr(path), leaf.shape, leaf.dtype) for path, leaf in leaves]


def _near(
    case: Case, found: Any, expected: Any, message: str, rtol: float = 1e-4, atol: float = 1e-5
) -> None:
    case.check(_kinds(found) == _kinds(expected), f"{message}: the structure differs")
    for (path, leaf), other in zip(
        jax.tree_util.tree_leaves_with_path(found), jax.tree.leaves(expected), strict=True
    ):
        same = np.allclose(leaf, other, rtol=rtol, atol=atol, equal_nan=True)
        case.check(same, f"{message}: {jax.tree_util.keystr(path)} differs")


def _equal(left: Any, right: Any) -> bool:
    pairs = zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True)
    return all(np.array_equal(a, b, equal_nan=True) for a, b in pairs)


def check_first_state(case: Case) -> None:
    """`init` needs shapes only, and returns strongly typed arrays that share no buffer."""
    key, state = jax.random.key(7), case.start()
    shapes = jax.eval_shape(case.agent.init, key, case.example())
    one = case.agent.init(key, jax.tree.map(lambda x: x[:1], case.example()))
    case.check(_kinds(one) == _kinds(shapes), "the state depends on the rows of the example that init gets")
    leaves = jax.tree.leaves(state)
    case.check(all(isinstance(x, jax.Array) for x in leaves), "the state holds what is no array")
    case.check(not any(x.weak_type for x in leaves), "the state holds a weakly typed number; give its dtype")
    buffers = {x.unsafe_buffer_pointer() for x in leaves if x.size}
    case.check(
        len(buffers) == len([x for x in leaves if x.size]),
        "two leaves of the state share a buffer; copy one, because updates are donated the state",
    )


def check_update(case: Case) -> None:
    """An update keeps structure, shapes and types, counts itself, and moves what acts."""
    state, batch, key = case.start(), case.example(), jax.random.key(7)
    new, metrics = case.agent.update(state, batch, key)
    case.check(_kinds(new) == _kinds(state), "update changes the structure, shapes or types of the state")
    case.check(hasattr(state, "step"), "the state has no field step, which counts the updates")
    case.check(int(new.step) == int(state.step) + 1, "update does not add 1 to the field step of the state")
    later, _ = case.agent.update(new, batch, key)  # a delayed policy moves on the second update
    moved = not _equal(case.agent.params(later), case.agent.params(state))
    case.check(moved, "two updates do not move what act gets from params")
    for name, value in metrics.items():
        case.check(value.shape == () and value.dtype == jnp.float32, f"metric {name!r} is no float32 scalar")
        case.check(bool(np.isfinite(value)), f"metric {name!r} is not finite")


def check_purity(case: Case) -> None:
    """An update is a function of its arguments, and traced once."""
    state, batch, key, traces = case.start(), case.example(), jax.random.key(7), []

    @jax.jit
    def update(*given: Any) -> Any:
        traces.append(1)
        return case.agent.update(*given)

    first, second = update(state, batch, key), update(state, batch, key)
    case.check(_equal(first, second), "two updates with the same arguments differ")
    update(first[0], batch, jax.random.key(8))
    case.check(len(traces) == 1, "update is compiled again on its own result")


def check_acting(case: Case) -> None:
    """Actions lie in the box; the greedy ones draw nothing."""
    params, batch = case.agent.params(case.start()), case.example()
    observation = 100.0 * batch.observation
    greedy = case.agent.act_greedy(params, observation, jax.random.key(7))
    for name, action in (
        ("act", case.agent.act(params, observation, jax.random.key(7))),
        ("act_greedy", greedy),
    ):
        case.check(action.shape == batch.action.shape, f"{name} returns {action.shape}")
        case.check(bool(np.abs(action).max() <= 1.0), f"{name} leaves the box [-1, 1]")
    again = case.agent.act_greedy(params, observation, jax.random.key(9))
    case.check(_equal(greedy, again), "act_greedy depends on its key")


def check_values(case: Case) -> None:
    """The values of a set of actions are those of each action alone, and finite."""
    if case.agent.values is None:
        return
    state, batch = case.start(), case.example()
    rows, both = len(batch.reward), jnp.stack([batch.action, -batch.action], axis=1)
    q = case.agent.values(state, batch.observation, both)
    case.check(q.ndim == 3 and q.shape[1:] == (rows, 2), f"values of {rows} rows and 2 actions are {q.shape}")
    case.check(bool(np.isfinite(q).all()), "a value is not finite")
    alone = case.agent.values(state, batch.observation, both[:, 1:])
    case.check(np.allclose(q[..., 1:], alone, rtol=1e-4, atol=1e-5), "values depend on the other actions")


def check_scan(case: Case) -> None:
    """K updates in one scan are K updates one after another."""
    batches, state, key = [case.example(seed) for seed in range(3)], case.start(), jax.random.key(7)
    stacked = jax.tree.map(lambda *x: jnp.stack(x), *batches)
    together, metrics = jax.jit(scan_batches(case.agent).update)(state, stacked, key)
    for batch, own in zip(batches, jax.random.split(key, 3), strict=True):
        state, last = case.agent.update(state, batch, own)
    _near(case, together, state, "under a scan")
    _near(case, {k: v[-1] for k, v in metrics.items()}, last, "metrics under a scan", rtol=1e-3)


def check_seeds(case: Case, sequential: bool = False) -> None:
    """A seed beside others is that seed alone."""
    keys, batch = jax.vmap(jax.random.key)(jnp.arange(3, dtype=jnp.uint32)), case.example()
    lifted = vmap_seeds(case.agent, sequential=sequential)
    states, update = lifted.init(keys, batch), jax.jit(lifted.update)
    for _ in range(2):
        states, _ = update(states, batch, keys)
    for seed in range(3):
        alone = case.agent.init(keys[seed], batch)
        for _ in range(2):
            alone, _ = case.agent.update(alone, batch, keys[seed])
        _near(case, jax.tree.map(lambda x, s=seed: x[s], states), alone, "a seed beside others")


def check_extreme_batches(case: Case) -> None:
    """Tiny batches of one class of success with actions at the ends of the box leave everything finite."""
    for rows, success in itertools.product((1, 2), (0.0, 1.0)):
        batch = case.example(rows=rows * case.batches)
        if "success" in batch.extras:
            batch.extras["success"] = jnp.full(rows * case.batches, success)
        edge = batch._replace(action=jnp.sign(batch.action))
        new, metrics = case.agent.update(case.start(), edge, jax.random.key(7))
        finite = all(np.isfinite(leaf).all() for leaf in jax.tree.leaves((new, metrics)))
        where = f"{rows} rows with success={success:g} and actions at the ends of the box"
        case.check(finite, f"{where}: a number is not finite")


def check_columns(case: Case) -> None:
    """An update reads the declared columns of `extras` and no others.

    Raises:
      AssertionError: names the agent and the column.
    """
    if case.columns is None:
        return
    batch = case.example()
    kept = {name: batch.extras[name] for name in case.columns if name in batch.extras}
    try:
        jax.eval_shape(case.agent.update, case.start(), batch._replace(extras=kept), jax.random.key(7))
    except KeyError as error:
        raise AssertionError(
            f"{case.name}: update reads the column {error}, which is not declared"
        ) from error
    for name in case.columns:
        others = {other: x for other, x in kept.items() if other != name}
        try:
            jax.eval_shape(case.agent.update, case.start(), batch._replace(extras=others), jax.random.key(7))
        except KeyError:
            continue
        raise AssertionError(f"{case.name}: update does not read the column {name!r}, which is declared")


CHECKS = (
    check_first_state, check_update, check_purity, check_acting, check_values, check_scan,
    check_seeds, check_extreme_batches, check_columns,
)  # fmt: skip
