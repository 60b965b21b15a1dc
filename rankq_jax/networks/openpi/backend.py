"""What the adapter needs of a pi0 model, and the one place that imports openpi."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Annotated, Any, NamedTuple

import jax

from rankq_jax.bounds import OneOf, checked
from rankq_jax.errors import InputError, one_line
from rankq_jax.types import Key, Params

VARIANTS = ("pi0", "pi05")
Variant = Annotated[str, OneOf(VARIANTS)]


class Backend(NamedTuple):
    """A pi0 model as a function of its parameters.

    The parameters are a nested dictionary with the names of openpi. A model has the methods `embed_prefix`,
    `embed_suffix` and `action_out_proj` and the transformer `PaliGemma.llm`, with the arguments that openpi
    gives them: flow time 1 is noise there, and the velocity points away from data.

    Attributes:
      shapes: the parameters as `jax.ShapeDtypeStruct`; nothing is allocated.
      init: `key -> params`, random ones.
      model: `params -> model`.
      observation: makes what the model sees of `images`, `image_masks`, `state`, `tokenized_prompt` and
        `tokenized_prompt_mask`.
      horizon: steps of an action.
      action_dim: numbers of a step, and of the robot's own state.
      words: tokens of a prompt.
    """

    shapes: Params
    init: Callable[[Key], Params]
    model: Callable[[Params], Any]
    observation: Callable[..., Any]
    horizon: int
    action_dim: int
    words: int


@checked()
def openpi_backend(variant: Variant = "pi0", fields: Mapping[str, Any] = MappingProxyType({})) -> Backend:
    """The model of openpi, which must be installed; docs/openpi.md says how.

    Args:
      variant: `pi0` or `pi05`.
      fields: of openpi's `Pi0Config`, e.g. `{"action_horizon": 10}`.

    Raises:
      InputError: if openpi cannot be imported, or `Pi0Config` refuses a field.
    """
    try:
        from flax import nnx
        from openpi.models import model, pi0_config
    except ImportError as error:
        raise InputError(
            f"openpi: cannot be imported ({one_line(error)}); docs/openpi.md says how to install it."
        ) from error
    try:
        config = pi0_config.Pi0Config(pi05=variant == "pi05", **fields)
    except TypeError as error:
        raise InputError(f"Pi0Config: {one_line(error)}; give fields that openpi has.") from error
    graph, state = nnx.split(nnx.eval_shape(config.create, jax.random.key(0)))

    def merged(params: Params) -> Any:
        own = jax.tree.map(lambda leaf: leaf, state)  # a copy, because it is filled in place
        own.replace_by_pure_dict(params)
        return nnx.merge(graph, own)

    return Backend(
        shapes=state.to_pure_dict(),
        init=lambda key: nnx.state(config.create(key)).to_pure_dict(),
        model=merged,
        observation=model.Observation,
        horizon=config.action_horizon,
        action_dim=config.action_dim,
        words=config.max_token_len,
    )
