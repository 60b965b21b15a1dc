"""The contracts of agents and of environments as functions, for other packages' code too.

Each raises an AssertionError of one clear line where something breaks the contract.

    from rankq_jax import testing
    testing.check_agent("my_agent")
    testing.check_environment(my_task)
"""

from rankq_jax.testing.agents import check_agent
from rankq_jax.testing.environments import check_environment

__all__ = ["check_agent", "check_environment"]
