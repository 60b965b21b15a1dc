"""Wrappers that lift an agent to another agent. They see `Agent` alone, never a concrete algorithm."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rankq_jax.bounds import Count, Positive, checked
from rankq_jax.drawing import scan_drawing_before
from rankq_jax.specs import is_image
from rankq_jax.types import Agent, Key, Metrics, Transition


def with_sampling(agent: Agent, sample: Callable[[Any, Key], Transition]) -> Agent:
    """`update` takes a source of data in place of a batch and draws the batch itself, on the device.

    Args:
      agent: any agent.
      sample: `(source, key) -> Transition`, pure.
    """

    def update(state: Any, source: Any, key: Key) -> tuple[Any, Metrics]:
        k_batch, k_update = jax.random.split(key)
        return agent.update(state, sample(source, k_batch), k_update)

    return agent._replace(update=update)


class Normalized(NamedTuple):
    """State, or parameters, of an agent behind `normalize_observations`.

    Attributes:
      inner: the wrapped agent's.
      mean: `[*O]` of the observations; None in the place of an array that is seen as it is.
      deviation: `[*O]`, what centred observations are divided by, likewise.
    """

    inner: Any
    mean: Any
    deviation: Any

    @property
    def step(self) -> jax.Array:
        """Updates done."""
        return self.inner.step

    def seen(self, observation: Any) -> Any:
        """`[..., *O] -> [..., *O]`: observations as the wrapped agent sees them."""
        return jax.tree.map(_standardized, self.mean, self.deviation, observation, is_leaf=_is_none)


def _is_none(leaf: Any) -> bool:
    return leaf is None


def _standardized(mean: jax.Array | None, deviation: jax.Array | None, values: jax.Array) -> jax.Array:
    if mean is None or deviation is None:
        return values
    lead = (1,) * (values.ndim - mean.ndim)
    return (values - mean.reshape(lead + mean.shape)) / deviation.reshape(lead + deviation.shape)


@checked()
def normalize_observations(agent: Agent, epsilon: Positive = 1e-3) -> Agent:
    """The agent sees observations with the mean 0 and the deviation 1 of the `example` that `init` got.

    The statistics are part of the state, so that training, acting and every checkpoint share them. Vectors of
    floating-point numbers have them; images and arrays of integers are seen as they are.

    Args:
      agent: any agent.
      epsilon: added to the standard deviation (1e-3 in the code of TD3+BC, arXiv 2106.06860).

    Raises:
      ValueError: if `epsilon` is not positive: a constant observation would be divided by zero.
    """

    def init(key: Key, example: Transition) -> Normalized:
        def statistics(of: Callable[..., jax.Array], rows: jax.Array) -> jax.Array | None:
            numbers = jnp.issubdtype(rows.dtype, jnp.floating) and not is_image(rows[0])
            return of(jnp.asarray(rows, jnp.float32), axis=0) if numbers else None

        mean = jax.tree.map(functools.partial(statistics, jnp.mean), example.observation)
        deviation = jax.tree.map(functools.partial(statistics, jnp.std), example.observation)
        deviation = jax.tree.map(lambda leaf: leaf + epsilon, deviation)
        return Normalized(agent.init(key, jax.tree.map(lambda x: x[:1], example)), mean, deviation)

    def update(state: Normalized, batch: Transition, key: Key) -> tuple[Normalized, Metrics]:
        seen = batch._replace(
            observation=state.seen(batch.observation), next_observation=state.seen(batch.next_observation)
        )
        inner, metrics = agent.update(state.inner, seen, key)
        return state._replace(inner=inner), metrics

    def seeing(function: Callable[..., jax.Array]) -> Callable[..., jax.Array]:
        return lambda outer, observation, last: function(outer.inner, outer.seen(observation), last)

    return agent._replace(
        init=init,
        update=update,
        act=seeing(agent.act),
        act_greedy=seeing(agent.act_greedy),
        params=lambda state: state._replace(inner=agent.params(state.inner)),
        values=None if agent.values is None else seeing(agent.values),
    )


def sampling_keys(key: Key, updates: int) -> Key:
    """`[K]`: the keys that `with_sampling` under `scan_updates` draws the batches of one call with."""
    return jax.vmap(lambda own: jax.random.split(own)[0])(jax.random.split(key, updates))


@checked()
def scan_updates(
    agent: Agent, updates: Count, select: Callable[[Any, jax.Array], Any] | None = None, ahead: bool = False
) -> Agent:
    """`update` makes K updates in one `lax.scan`, each with its own key. Metrics gain a leading `[K]`.

    Args:
      agent: any agent.
      updates: K.
      select: `(source, i) -> source` of the i-th update, `i` `[]` int32; None: all have the same.
      ahead: draw the random numbers of all updates before the first one, see `drawing`.

    Raises:
      ValueError: if `updates` is below 1.
    """
    scan = scan_drawing_before if ahead else jax.lax.scan

    def update(state: Any, source: Any, key: Key) -> tuple[Any, Metrics]:
        own = select or (lambda source, i: source)
        each = (jax.random.split(key, updates), jnp.arange(updates, dtype=jnp.int32))
        return scan(lambda s, x: agent.update(s, own(source, x[1]), x[0]), state, each)

    return agent._replace(update=update)


def scan_batches(agent: Agent) -> Agent:
    """`update` takes batches with leaves `[K, B, ...]` and applies K updates in one `lax.scan`.

    Metrics gain a leading `[K]`.
    """

    def update(state: Any, batches: Any, key: Key) -> tuple[Any, Metrics]:
        keys = jax.random.split(key, jax.tree.leaves(batches)[0].shape[0])
        return jax.lax.scan(lambda s, xs: agent.update(s, *xs), state, (batches, keys))

    return agent._replace(update=update)


def vmap_seeds(
    agent: Agent, select: Callable[[Any, jax.Array], Any] | None = None, *, sequential: bool = False
) -> Agent:
    """State, keys, observations and metrics gain a leading `[S]`: S independent learners in one program.

    Args:
      agent: any agent.
      select: `(data, i) -> data` that the i-th seed is updated with, `i` `[]` int32; a function and not an
        axis, so that a seed can read its own rows of large arrays without taking a copy of its part first.
        None: all seeds share the data.
      sequential: one seed's call of `update` after another's, instead of all at once by a vmap. The numbers
        are the same up to rounding. Faster on CPU, where one seed keeps the cores busy and batched matrix
        products cost more than plain ones; conditions in an update then stay conditions. Acting is
        batched in any case.
    """
    own = (lambda data, i: data) if select is None else select

    def update(state: Any, data: Any, keys: Key) -> tuple[Any, Metrics]:
        def one(state: Any, i: jax.Array, key: Key) -> tuple[Any, Metrics]:
            return agent.update(state, own(data, i), key)

        of_all = (state, jnp.arange(keys.shape[0], dtype=jnp.int32), keys)
        return jax.lax.map(lambda each: one(*each), of_all) if sequential else jax.vmap(one)(*of_all)

    return agent._replace(
        init=jax.vmap(agent.init, in_axes=(0, None)),
        update=update,
        act=jax.vmap(agent.act),
        act_greedy=jax.vmap(agent.act_greedy),
        params=agent.params,
        values=None if agent.values is None else jax.vmap(agent.values),
    )


def adapt(old: Any, new: Any) -> Any:
    """The state `old` of one agent as another agent goes on from it.

    The two have states of one type. All that both have comes from `old`; dual variables (a field `duals`, a
    dictionary by name) that only `new` has come from `new`, those that only `old` has are dropped.

    Args:
      old: the state of the agent that has trained; arrays, or their shapes.
      new: a first state of the agent that goes on, likewise.

    Raises:
      ValueError: if the states differ in more than their dual variables; names the first difference.
    """
    if isinstance(old, Normalized) and isinstance(new, Normalized):
        return old._replace(inner=adapt(old.inner, new.inner))
    if type(old) is not type(new):
        raise ValueError(f"a {type(old).__name__} is no {type(new).__name__}")
    adapted = old
    if hasattr(new, "duals"):
        adapted = old._replace(duals={name: old.duals.get(name, own) for name, own in new.duals.items()})
    leaves, expected = (dict(jax.tree_util.tree_leaves_with_path(state)) for state in (adapted, new))
    for path in {**expected, **leaves}:
        kinds = [(x[path].shape, x[path].dtype) if path in x else None for x in (leaves, expected)]
        if kinds[0] != kinds[1]:
            raise ValueError(f"{jax.tree_util.keystr(path)} is {kinds[0]} there and {kinds[1]} here")
    return adapted


def go_on(agent: Agent, state: Any, key: Key, example: Transition) -> Any:
    """The state of another agent as `agent` goes on from it, see `adapt`.

    Nothing is computed where both have the same variables. The arguments are those of `agent.init`.

    Raises:
      ValueError: as `adapt`.
    """
    adapted = adapt(state, jax.eval_shape(agent.init, key, example))
    new = any(isinstance(leaf, jax.ShapeDtypeStruct) for leaf in jax.tree.leaves(adapted))
    return adapt(state, agent.init(key, example)) if new else adapted


def jit_agent(agent: Agent) -> Agent:
    """Plain `jit` on one device, with the state donated to `update`: for tests and for scripts."""
    return agent._replace(
        init=jax.jit(agent.init),
        update=jax.jit(agent.update, donate_argnums=0),
        act=jax.jit(agent.act),
        act_greedy=jax.jit(agent.act_greedy),
        params=agent.params,
    )


def jit_act(act: Callable[..., jax.Array]) -> Callable[..., jax.Array]:
    """A compiled `(params, observation [S, n, *O], keys [S], t) -> action [S, n, *A]`.

    `act` is the `act` or `act_greedy` of a `vmap_seeds` agent. Step t uses the key `fold_in(key, t)`, inside
    the program, so that a whole round of steps needs one key per seed.
    """

    def at_step(params: Any, observation: Any, keys: Key, t: jax.Array) -> jax.Array:
        return act(params, observation, jax.vmap(jax.random.fold_in, in_axes=(0, None))(keys, t))

    return jax.jit(at_step)
