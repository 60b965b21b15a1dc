"""Low-rank adapters of a flow policy's head (LoRA, arXiv 2106.09685): `W + (alpha / r) A B`, B first zero.

A leaf is adapted over its last two axes; axes before these, such as layers that are scanned over, have
adapters of their own.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import optax

from rankq_jax.bounds import Interval, Positive, checked
from rankq_jax.networks.flows import HEAD, NOISE, Flow
from rankq_jax.types import Key, Params, Policy

ADAPTERS = "adapters"  # names their parameters, beside those of the head
TRAINED = (ADAPTERS, NOISE)  # the noise head of SACFlow begins with nothing that adapters could change
DOWN, UP = "a", "b"
STACKED_VECTORS = ("scale", "bias")  # no matrices, though layers that are scanned over stack them
MOST = 1_024
Rank = Annotated[int, Interval(1, MOST, integer=True)]
Wanted = Callable[[tuple[str, ...], Any], bool]  # (path, leaf) -> whether it is adapted


def is_matrix(path: tuple[str, ...], leaf: Any) -> bool:
    """Whether a leaf of a head is a matrix, or a stack of matrices."""
    return leaf.ndim >= 2 and path[-1] not in STACKED_VECTORS


@checked()
def init(key: Key, head: Params, rank: Rank, wanted: Wanted = is_matrix) -> Params:
    """Adapters of a head that change nothing: A normal with variance one over its rows, B zero; float32.

    Args:
      key: of A.
      head: parameters, nested dictionaries.
      rank: r; of a matrix `[m, n]` it is at most m and n.
      wanted: which leaves are adapted.

    Returns:
      The nested dictionaries of the head with `{a: [*, m, r], b: [*, r, n]}` in place of each adapted leaf.

    Raises:
      ValueError: if the rank is out of bounds, or no leaf is adapted.
    """
    leaves = [
        (path, leaf) for path, leaf in jax.tree_util.tree_leaves_with_path(head) if wanted(_names(path), leaf)
    ]
    if not leaves:
        raise ValueError("the head has no matrix that could be adapted")
    made: dict[str, Any] = {}
    for k_leaf, (path, leaf) in zip(jax.random.split(key, len(leaves)), leaves, strict=True):
        *before, rows, columns = leaf.shape
        size = min(rank, rows, columns)
        place = made
        for name in _names(path):
            place = place.setdefault(name, {})
        place[DOWN] = jax.random.normal(k_leaf, (*before, rows, size)) * rows**-0.5
        place[UP] = jnp.zeros((*before, size, columns))
    return made


def merge(head: Params, adapters: Params, alpha: float) -> Params:
    """The head with its adapters: `W + (alpha / r) A B`, of the type of W. With B = 0 it is the head.

    Args:
      head: parameters, nested dictionaries.
      adapters: of some of its leaves, as `init` returns them.
      alpha: the sum of the low-rank matrices is divided by their number and multiplied by this.
    """
    if not isinstance(head, Mapping):
        product = (alpha / adapters[DOWN].shape[-1]) * (adapters[DOWN] @ adapters[UP])
        return (head.astype(product.dtype) + product).astype(head.dtype)
    return {
        name: merge(part, adapters[name], alpha) if name in adapters else part for name, part in head.items()
    }


@checked()
def attach(key: Key, params: Mapping[str, Params], rank: Rank, wanted: Wanted = is_matrix) -> dict[str, Any]:
    """The parameters of a flow policy beside new adapters, as the policy that `adapted` returns has them.

    Args:
      key: of the adapters.
      params: of the policy.
      rank: see `init`.
      wanted: see `init`.

    Raises:
      ValueError: as `init`.
    """
    return {**params, ADAPTERS: init(key, params[HEAD], rank, wanted)}


def merged(params: Mapping[str, Params], alpha: float) -> dict[str, Params]:
    """Parameters with adapters as those of the policy that was adapted, for example to export it."""
    rest = {name: part for name, part in params.items() if name != ADAPTERS}
    return {**rest, HEAD: merge(rest[HEAD], params[ADAPTERS], alpha)}


@checked()
def adapted(policy: Policy, rank: Rank, alpha: Positive, wanted: Wanted = is_matrix) -> Policy:
    """A flow policy whose head is trained through adapters.

    No other parameter has a gradient, but for the noise head of SACFlow, whose `noisy` comes before or after.
    `only_adapters` keeps optimizers from holding moments of the others.

    Args:
      policy: a flow policy.
      rank: see `init`.
      alpha: see `merge`.
      wanted: see `init`.

    Raises:
      ValueError: if a value is out of bounds, or the policy is no flow policy.
    """
    flow = policy.flow
    if flow is None:
        raise ValueError("adapters are for flow policies, and this policy has no velocity")

    def over(function: Callable[..., Any] | None) -> Any:
        if function is None:
            return None
        return lambda params, *rest: function(merged(_held(params), alpha), *rest)

    def beside(params: Params, *rest: Any) -> Any:
        return flow.encode({n: jax.lax.stop_gradient(p) for n, p in params.items() if n != ADAPTERS}, *rest)

    def start(key: Key, observation: Any, action: Any) -> Params:
        k_policy, k_adapters = jax.random.split(key)
        return attach(k_adapters, policy.init(k_policy, observation, action), rank, wanted)

    moved: Flow = flow._replace(encode=beside, velocity=over(flow.velocity), predict=over(flow.predict))
    density = over(policy.log_density)
    return Policy(start, over(policy.sample), over(policy.mode), density, moved)


def only_adapters(optimizer: optax.GradientTransformation) -> optax.GradientTransformation:
    """An optimizer of adapters and of a noise head, if there is one; it keeps nothing for other parameters.

    They stay as they are.
    """

    def labels(params: Params) -> Any:
        return jax.tree_util.tree_map_with_path(
            lambda path, _: "trained" if set(TRAINED) & set(_names(path)) else "others", params
        )

    return optax.multi_transform({"trained": optimizer, "others": optax.set_to_zero()}, labels)


def _held(params: Mapping[str, Params]) -> dict[str, Params]:
    """All parts without a gradient, but for those that are trained."""
    return {name: part if name in TRAINED else jax.lax.stop_gradient(part) for name, part in params.items()}


def _names(path: Any) -> tuple[str, ...]:
    return tuple(str(part.key) for part in path if isinstance(part, jax.tree_util.DictKey))
