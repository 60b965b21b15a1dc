"""Configurations: their fields, the layers that set them, and the door through which they come in.

A run is a frozen `RunConfig`. `read` makes one of the words of a command line, `parse` of plain values; `arm`
and `get_config` give a user's own file the values to start from.
"""

from rankq_jax.configs.arms import ARMS
from rankq_jax.configs.checks import check
from rankq_jax.configs.door import Resolved, arm, get_config, parse, read, recorded
from rankq_jax.configs.phase_config import CollectConfig, OfflineConfig, OnlineConfig
from rankq_jax.configs.run_config import (
    ExecutionConfig,
    PreferencesConfig,
    RunConfig,
    algorithms_of,
    has_dataset,
)
from rankq_jax.configs.task import task_of
from rankq_jax.configs.telling import describe, show

__all__ = [
    "ARMS", "CollectConfig", "ExecutionConfig", "OfflineConfig", "OnlineConfig", "PreferencesConfig",
    "Resolved", "RunConfig", "algorithms_of", "arm", "check", "describe", "get_config", "has_dataset",
    "parse", "read", "recorded", "show", "task_of",
]  # fmt: skip
