"""What the modules of the domains share."""

from collections.abc import Mapping
from typing import Any, NamedTuple

Values = Mapping[str, Any]  # {field: value}


class Layer(NamedTuple):
    """Values that are set together.

    Attributes:
      source: what sets them, in words.
      values: `{field: value}`.
      place: the module of a domain and the keys below which it has them; empty for other layers.
    """

    source: str
    values: Values
    place: tuple[str, ...] = ()


def rebrac(actor: float, critic: float) -> dict[str, Values]:
    """ReBRAC's two weights, which its authors give for each dataset."""
    return {"rebrac": {"rebrac.actor_weight": actor, "rebrac.critic_weight": critic}}
