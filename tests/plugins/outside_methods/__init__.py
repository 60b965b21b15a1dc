"""A package outside the repository: an agent, a task and a configuration, registered when it is imported."""

from outside_methods import agents, configs, tasks

__all__ = ["agents", "configs", "tasks"]
