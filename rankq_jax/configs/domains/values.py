"""What the modules of the domains share."""

from typing import Any

Values = dict[str, Any]  # {field of base: value}


def rebrac(actor: float, critic: float) -> dict[str, Values]:
    """ReBRAC's two weights, which its authors give for each dataset."""
    return {"rebrac": {"rebrac.actor_weight": actor, "rebrac.critic_weight": critic}}
