"""Wrappers that lift an agent to another agent. They see `Agent` alone, never a concrete algorithm."""

from collections.abc import Callable
from typing import Any

import jax

from rankq_jax.types import Agent, Key, Metrics, Transition


def sampled(agent: Agent, sample: Callable[[Any, Key], Transition]) -> Agent:
    """`update` takes a source of data in place of a batch and draws the batch itself, on the device.

    Args:
      agent: any agent.
      sample: `(source, key) -> Transition`, pure.
    """

    def update(state: Any, source: Any, key: Key) -> tuple[Any, Metrics]:
        k_batch, k_update = jax.random.split(key)
        return agent.update(state, sample(source, k_batch), k_update)

    return agent._replace(update=update)


def repeated(agent: Agent, updates: int) -> Agent:
    """`update` applies `updates` updates in one `lax.scan`, each from the same source with its own key.

    Metrics gain a leading `[K]`.
    """

    def update(state: Any, source: Any, key: Key) -> tuple[Any, Metrics]:
        keys = jax.random.split(key, updates)
        return jax.lax.scan(lambda s, k: agent.update(s, source, k), state, keys)

    return agent._replace(update=update)


def scanned(agent: Agent) -> Agent:
    """`update` takes batches with leaves `[K, B, ...]` and applies K updates in one `lax.scan`.

    Metrics gain a leading `[K]`.
    """

    def update(state: Any, batches: Any, key: Key) -> tuple[Any, Metrics]:
        keys = jax.random.split(key, jax.tree.leaves(batches)[0].shape[0])
        return jax.lax.scan(lambda s, xs: agent.update(s, *xs), state, (batches, keys))

    return agent._replace(update=update)


def seeded(agent: Agent, data_axes: Any = None) -> Agent:
    """State, keys, observations and metrics gain a leading `[S]`: S independent learners in one program.

    Args:
      agent: any agent.
      data_axes: `vmap` axes of `update`'s data argument. None: all seeds share it.
    """
    return Agent(
        init=jax.vmap(agent.init, in_axes=(0, None)),
        update=jax.vmap(agent.update, in_axes=(0, data_axes, 0)),
        act=jax.vmap(agent.act),
        mode=jax.vmap(agent.mode),
        params=agent.params,
    )


def compiled(agent: Agent) -> Agent:
    """Plain `jit` on one device, with the state donated to `update`: for tests and for scripts."""
    return Agent(
        init=jax.jit(agent.init),
        update=jax.jit(agent.update, donate_argnums=0),
        act=jax.jit(agent.act),
        mode=jax.jit(agent.mode),
        params=agent.params,
    )


def stepwise(act: Callable[..., jax.Array]) -> Callable[..., jax.Array]:
    """A compiled `(params, observation [S, n, *O], keys [S], t) -> action [S, n, *A]`.

    `act` is the `act` or `mode` of a `seeded` agent. Step t uses the key `fold_in(key, t)`, inside the
    program, so that a whole round of steps needs one key per seed.
    """

    def at_step(params: Any, observation: Any, keys: Key, t: jax.Array) -> jax.Array:
        return act(params, observation, jax.vmap(jax.random.fold_in, in_axes=(0, None))(keys, t))

    return jax.jit(at_step)
