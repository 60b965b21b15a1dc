"""Offline-to-online reinforcement learning in JAX: pure agents, lifted over updates, seeds and devices.

    import rankq_jax as rq

Every name of `__all__` is documented in docs/api.md. A name is imported when it is first used, so that
`rq.load_policy` needs neither JAX nor a simulator.
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

if TYPE_CHECKING:
    from rankq_jax import agents, lifting, losses, networks, parallel, testing
    from rankq_jax.agents.optimizers import Optimizers
    from rankq_jax.agents.spec import AgentSpec
    from rankq_jax.environments import BatchEnv
    from rankq_jax.errors import InputError, NumericsError
    from rankq_jax.library import load_dataset, load_weights, make_task, save_policy, train
    from rankq_jax.loop import (
        Collected,
        Evaluated,
        Evaluating,
        IterationEnd,
        Run,
        Updated,
        lift,
        offline_to_online,
    )
    from rankq_jax.networks import Networks
    from rankq_jax.registry import (
        load_plugins,
        register_agent,
        register_config,
        register_dataset_format,
        register_networks,
        register_task,
    )
    from rankq_jax.tasks import Task
    from rankq_jax.tasks.from_gymnasium import from_gymnasium
    from rankq_jax.trained_policies import TrainedPolicy, load_policy
    from rankq_jax.types import Agent, Critic, Episodes, Policy, Transition, Value

_MODULES = ("agents", "lifting", "losses", "networks", "parallel", "testing")
_PLACES = {
    "rankq_jax.agents": ("AgentSpec", "Optimizers"),
    "rankq_jax.errors": ("InputError", "NumericsError"),
    "rankq_jax.library": ("load_dataset", "load_weights", "make_task", "save_policy", "train"),
    "rankq_jax.loop": (
        "Collected", "Evaluated", "Evaluating", "IterationEnd", "Run", "Updated", "lift", "offline_to_online",
    ),
    "rankq_jax.networks": ("Networks",),
    "rankq_jax.registry": (
        "load_plugins", "register_agent", "register_config", "register_dataset_format", "register_networks",
        "register_task",
    ),
    "rankq_jax.tasks": ("Task",),
    "rankq_jax.tasks.from_gymnasium": ("from_gymnasium",),
    "rankq_jax.trained_policies": ("TrainedPolicy", "load_policy"),
    "rankq_jax.environments": ("BatchEnv",),
    "rankq_jax.types": ("Agent", "Critic", "Episodes", "Policy", "Transition", "Value"),
}  # fmt: skip
_MODULE_OF = {name: module for module, names in _PLACES.items() for name in names}

__all__ = [
    "Agent",
    "AgentSpec",
    "BatchEnv",
    "Collected",
    "Critic",
    "Episodes",
    "Evaluated",
    "Evaluating",
    "InputError",
    "IterationEnd",
    "Networks",
    "NumericsError",
    "Optimizers",
    "Policy",
    "Run",
    "Task",
    "TrainedPolicy",
    "Transition",
    "Updated",
    "Value",
    "agents",
    "from_gymnasium",
    "lift",
    "lifting",
    "load_dataset",
    "load_plugins",
    "load_policy",
    "load_weights",
    "losses",
    "make_task",
    "networks",
    "offline_to_online",
    "parallel",
    "register_agent",
    "register_config",
    "register_dataset_format",
    "register_networks",
    "register_task",
    "save_policy",
    "testing",
    "train",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"rankq_jax.{name}")
    if name in _MODULE_OF:
        return getattr(importlib.import_module(_MODULE_OF[name]), name)
    raise AttributeError(f"module 'rankq_jax' has no attribute {name!r}; see docs/api.md")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
