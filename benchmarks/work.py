"""Synthetic data, and agents lifted by the library's own functions, as calls that can be timed."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.operations import Sizes
from benchmarks.turns import Run
from rankq_jax import configs
from rankq_jax.configs import RunConfig
from rankq_jax.data import buffer as ring
from rankq_jax.data.mixture import Sources
from rankq_jax.parallel import Layout
from rankq_jax.training.agents import agent_of, lifted, networks_of
from rankq_jax.types import Agent, Transition

TASK = "antmaze-medium-play"  # whose arguments and sizes the synthetic work has
_STATES: dict[tuple[Any, ...], Any] = {}  # by networks and shapes, see `initial`
# Columns beside the common ones; published code carries no others to the device.
READ = {"rankq": ("success",), "cql": (), "cal_ql": ("mc_return",)}


def dataset(rows: int, observation: int = Sizes().observation, action: int = Sizes().action) -> Transition:
    """Random transitions, numpy leaves `[rows, ...]`: only the speed of what reads them counts."""
    random = np.random.default_rng(0)

    def normal(*shape: int) -> np.ndarray:
        return random.standard_normal(shape, np.float32)

    def actions() -> np.ndarray:
        return np.clip(0.5 * normal(rows, action), -0.99, 0.99)

    return Transition(
        observation=normal(rows, observation),
        action=actions(),
        reward=normal(rows),
        discount=np.full(rows, 0.99, np.float32),
        next_observation=normal(rows, observation),
        extras={
            "success": (random.random(rows) < 0.5).astype(np.float32),
            "mc_return": normal(rows),
            "next_action": actions(),
        },
    )


def configured(
    algorithm: str, sizes: Sizes, seeds: int = 1, execution: Mapping[str, str] = MappingProxyType({})
) -> RunConfig:
    """The configuration of the project for an ant maze, with other widths.

    Args:
      algorithm: name of an arm.
      sizes: of the work; the observation is that of the data.
      seeds: S.
      execution: fields of `config.execution`; those that are left out are the platform's.
    """
    config = configs.arm(algorithm, TASK)
    config.actor_hidden = config.critic_hidden = sizes.hidden
    config.batch_size, config.critics, config.seeds = sizes.batch, sizes.members, seeds
    config.execution.update(dict(execution))
    return configs.parse(config)


def agent(config: RunConfig, action: int = Sizes().action, vmapped: bool = False) -> Agent:
    """The agent before any lifting.

    Args:
      config: from `configured`.
      action: A.
      vmapped: evaluate sets of actions by a vmap of the critic over them, not as rows of one call.
    """
    networks = networks_of(config, action)
    if vmapped:
        by_action = jax.vmap(networks.critic.apply, in_axes=(None, None, 1), out_axes=-1)
        networks = networks._replace(critic=networks.critic._replace(apply_to_set=by_action))
    return agent_of(config, config.algorithm, networks, {})


def keys(seeds: int) -> jax.Array:
    """`[S]` keys."""
    return jax.vmap(jax.random.key)(jnp.arange(seeds))


def initial(config: RunConfig, data: Transition) -> Any:
    """The first state of one seed as numpy arrays; compiled once for all layouts of the same networks."""
    place = (
        config.algorithm, config.actor_hidden, config.critic_hidden, config.critics, config.parallel,
        data.observation.shape[-1], data.action.shape[-1],
    )  # fmt: skip
    if place not in _STATES:
        example = jax.tree.map(lambda x: jnp.asarray(x[:256]), data)
        alone = agent(config, data.action.shape[-1])
        _STATES[place] = jax.device_get(jax.jit(alone.init)(jax.random.key(0), example))
    return _STATES[place]


def learner(config: RunConfig, layout: Layout, data: Transition, capacity: int) -> tuple[Any, Sources]:
    """State of the lifted agent and what its batches are drawn from, on the devices of `layout`.

    Args:
      config: from `configured`.
      layout: of the seeds.
      data: `[rows, ...]`.
      capacity: transitions that the buffer of a seed holds.
    """
    seeds = config.seeds
    state = layout.split(
        jax.tree.map(lambda x: np.repeat(x[None], seeds, axis=0), initial(config, data))  # a copy for each
    )
    one = ring.init(data, capacity)
    buffers = jax.tree.map(lambda x: jnp.stack([x] * seeds), one)
    ratio = np.ones(seeds, np.float32)
    sources = Sources(layout.replicate(data), layout.split(buffers), layout.split(ratio), {})
    return state, sources


def dispatched(
    config: RunConfig, layout: Layout, data: Transition, updates: int, capacity: int = 1_000
) -> Run:
    """One call makes `updates` updates of every seed, as `loop.events` does; metrics stay on the device."""
    state, sources = learner(config, layout, data, capacity)
    action = data.action.shape[-1]
    update = lifted(agent(config, action), config, layout, updates).update
    own = layout.split(keys(config.seeds))

    def run() -> Any:
        nonlocal state
        state, metrics = update(state, sources, own)
        return metrics

    return run


def one_by_one(config: RunConfig, data: Transition, vmapped: bool = False) -> Run:
    """One call makes one update as published code makes it.

    The batch is drawn by numpy from host arrays and passed to one jitted function of state, key and batch. As
    in the published code of IQL and of Cal-QL nothing is donated, and the metrics stay on the device.

    Args:
      config: from `configured`.
      data: `[rows, ...]` on the host.
      vmapped: see `agent`.
    """
    names = READ.get(config.algorithm, ())
    host = data._replace(extras={name: data.extras[name] for name in names})
    alone = agent(config, data.action.shape[-1], vmapped)
    carried = (jax.tree.map(jnp.array, initial(config, data)), jax.random.key(1))
    random = np.random.default_rng(0)

    def update(carried: tuple[Any, jax.Array], batch: Transition) -> tuple[Any, Any]:
        state, key = carried
        key, own = jax.random.split(key)
        state, metrics = alone.update(state, batch, own)
        return (state, key), metrics

    step = jax.jit(update)

    def run() -> Any:
        nonlocal carried
        rows = random.integers(0, len(host.reward), config.batch_size)
        carried, metrics = step(carried, jax.tree.map(lambda x: x[rows], host))
        return metrics

    return run
