"""The parameters of a pi0 model in two parts, the backbone and the head, by the names that openpi gives."""

from collections.abc import Iterator, Mapping
from typing import Any

import jax.numpy as jnp

from rankq_jax.networks.encoded import ENCODER
from rankq_jax.networks.flows import HEAD
from rankq_jax.types import Params

TRANSFORMER, EXPERT = "llm", "_1"  # modules of the second expert, which moves, end in this
PROJECTIONS = (
    "action_in_proj",
    "action_out_proj",
    "state_proj",  # pi0, as the next two
    "action_time_mlp_in",
    "action_time_mlp_out",
    "time_mlp_in",  # pi0.5, as the next one
    "time_mlp_out",
)
Path = tuple[str, ...]


def flat(tree: Mapping[str, Any]) -> dict[Path, Any]:
    """The leaves of nested dictionaries by their paths."""
    return dict(_walk(tree, ()))


def _walk(tree: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    if not isinstance(tree, Mapping):
        yield path, tree
        return
    for name, part in tree.items():
        yield from _walk(part, (*path, str(name)))


def nested(leaves: Mapping[Path, Any]) -> dict[str, Any]:
    """What `flat` took apart."""
    tree: dict[str, Any] = {}
    for path, leaf in leaves.items():
        place = tree
        for name in path[:-1]:
            place = place.setdefault(name, {})
        place[path[-1]] = leaf
    return tree


def of_head(path: Path) -> bool:
    """Whether a parameter belongs to the action head: the second expert and the projections of actions."""
    if path[0] in PROJECTIONS:
        return True
    after = path[path.index(TRANSFORMER) :] if TRANSFORMER in path else ()
    return any(name.endswith(EXPERT) for name in after)


def parted(tree: Params) -> dict[str, Params]:
    """The parameters of openpi as those of a flow policy, whose parts `networks.split` knows."""
    leaves = flat(tree)
    head = {path: leaf for path, leaf in leaves.items() if of_head(path)}
    backbone = {path: leaf for path, leaf in leaves.items() if path not in head}
    return {ENCODER: nested(backbone), HEAD: nested(head)}


def whole(params: Mapping[str, Params], shapes: Params) -> Params:
    """The parameters of openpi again, with zeros for a part that is not there and not asked for.

    Under `jax.jit` zeros that nothing reads are never made.

    Args:
      params: of a flow policy, or one part of them.
      shapes: `Backend.shapes`.
    """
    found = {**flat(params.get(ENCODER, {})), **flat(params.get(HEAD, {}))}
    leaves = flat(shapes)
    return nested(
        {
            path: found[path] if path in found else jnp.zeros(leaf.shape, leaf.dtype)
            for path, leaf in leaves.items()
        }
    )
