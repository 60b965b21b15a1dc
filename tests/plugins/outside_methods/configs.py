"""The configuration `margin_q`."""

from typing import Any

from rankq_jax.registry import register_config


@register_config("margin_q")
def margin_q(argument: str) -> Any:
    """`margin_q` on a task, with the values that all algorithms share."""
    from rankq_jax.configs import base

    return base.get_config(argument, "margin_q")
