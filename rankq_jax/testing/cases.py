"""Agents under test: on tiny networks, with random batches."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rankq_jax.agents import AGENTS, AgentSpec, Optimizers
from rankq_jax.networks import FAMILIES
from rankq_jax.types import Agent, Transition

OBSERVATION_SIZE, ACTION_SIZE, ROWS = 3, 2, 8
Batch = Callable[[int, int], Transition]  # (seed, rows) -> batch


class Case(NamedTuple):
    """An agent under test.

    Attributes:
      name: in messages.
      agent: the agent, with compiled functions.
      batch: `(seed, rows) -> Transition`, drawn at random.
      rows: of a usual batch, a multiple of the batches that one update takes.
      batches: that one update takes.
      columns: what the update may read of `extras`; None: every column.
    """

    name: str
    agent: Agent
    batch: Batch
    rows: int = ROWS
    batches: int = 1
    columns: tuple[str, ...] | None = None

    def example(self, seed: int = 0, rows: int | None = None) -> Transition:
        """A batch as device arrays, by default a usual one."""
        return jax.tree.map(jnp.asarray, self.batch(seed, self.rows if rows is None else rows))

    def start(self) -> Any:
        """The first state."""
        return self.agent.init(jax.random.key(7), self.example())

    def check(self, condition: bool, message: str) -> None:
        """Raises an AssertionError that begins with the agent's name, unless the condition holds."""
        if not condition:
            raise AssertionError(f"{self.name}: {message}")


def random_batch(seed: int, rows: int) -> Transition:
    """Random transitions with every usual column; every second row is of a success."""
    random = np.random.default_rng(seed)

    def normal(*shape: int) -> np.ndarray:
        return random.normal(size=shape).astype(np.float32)

    def actions() -> np.ndarray:
        return random.uniform(-0.95, 0.95, (rows, ACTION_SIZE)).astype(np.float32)

    return Transition(
        observation=normal(rows, OBSERVATION_SIZE),
        action=actions(),
        reward=normal(rows),
        discount=np.where(random.random(rows) < 0.2, 0.0, 0.99).astype(np.float32),
        next_observation=normal(rows, OBSERVATION_SIZE),
        extras={
            "success": (np.arange(rows) % 2).astype(np.float32),
            "mc_return": normal(rows),
            "next_action": actions(),
            "preferred_action": actions(),
        },
    )


def case_of(agent: str | AgentSpec | Agent, batch: Batch = random_batch, **arguments: Any) -> Case:
    """What is tested; the arguments are those of `check_agent`.

    Raises:
      KeyError: if no algorithm of that name is registered.
    """
    if isinstance(agent, Agent):
        return Case("the agent", _compiled(agent), batch)
    spec = AGENTS[agent] if isinstance(agent, str) else agent
    networks = FAMILIES[spec.networks](ACTION_SIZE, actor_hidden=(16,), critic_hidden=(16, 16))
    made = spec.make(networks, Optimizers.adam(1e-3), **arguments)
    batches = spec.batches_per_update(**arguments)
    return Case(spec.name, _compiled(made), batch, -(-ROWS // batches) * batches, batches, spec.columns)


def _compiled(agent: Agent) -> Agent:
    return agent._replace(
        init=jax.jit(agent.init),
        update=jax.jit(agent.update),
        act=jax.jit(agent.act),
        act_greedy=jax.jit(agent.act_greedy),
    )
