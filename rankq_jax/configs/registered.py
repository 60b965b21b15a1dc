"""Configurations that other packages add by name; see `registry.register_config`."""

from collections.abc import Callable
from typing import Any

CONFIGS: dict[str, Callable[..., Any]] = {}
