"""Presets of vision-language-action policies: `vla-s`, `vla-xs`, and `vla-state` without images."""

from typing import Any

import numpy as np

from rankq_jax.bounds import Widths, checked
from rankq_jax.networks import initializers
from rankq_jax.networks.encoded import encoded_critic, encoded_value
from rankq_jax.networks.encoders import AUTO
from rankq_jax.networks.presets import Networks, Preset, Sizes, register_networks, with_critics
from rankq_jax.networks.presets import sizes as sizes_of
from rankq_jax.networks.vla.features import (
    KV,
    MASK,
    STORED,
    H,
    are_features,
    critic_of_features,
    value_of_features,
)
from rankq_jax.networks.vla.policy import Readout, vla_policy
from rankq_jax.networks.vla.sizes import (
    ABSOLUTE,
    IMAGE,
    INSTRUCTION,
    PROPRIO,
    STATE,
    CriticActions,
    ReadoutName,
    Stage,
    VlaSizes,
)
from rankq_jax.specs import TaskSpec, describe_array, describe_observation

# Layouts whose numbers of parameters are stated: 862,800 + 448,711, and 104,088 + 54,439.
PRESETS = {
    "vla-s": VlaSizes(
        image=(96, 128),
        stem=(Stage(4, 4, 32), Stage(3, 1, 32), Stage(2, 2, 64), Stage(3, 1, 64), Stage(2, 2, 128)),
        width=128,
        mlp=256,
        depth=4,
        heads=4,
        expert_width=96,
        expert_mlp=256,
        token_readout=16,
        flat_readout=256,
    ),
    "vla-xs": VlaSizes(image=(48, 64), stem=(Stage(4, 4, 16), Stage(2, 2, 32), Stage(2, 2, 64))),
    "vla-state": VlaSizes(image=None),
}


def _wanted(sizes: VlaSizes, encoded: bool) -> dict[str, tuple[Any, tuple[int | None, ...]]]:
    """Types and shapes of an observation, or of its features; None is any size."""
    readout = sizes.flat_readout if sizes.readout == "flat" else sizes.width
    stored = {KV: (STORED, (sizes.depth, 2, None, sizes.head_dim)), MASK: (np.bool_, (None,))}
    scene = {STATE: (np.float32, (None,))} if sizes.image is None else {IMAGE: (np.uint8, (*sizes.image, 3))}
    others = {INSTRUCTION: (np.int32, (sizes.words,)), PROPRIO: (np.float32, (sizes.proprio,))}
    return {**stored, H: (STORED, (readout,)), **others} if encoded else {**scene, **others}


def _refuse(name: str, sizes: VlaSizes, spec: TaskSpec | int) -> None:
    """Refuses a task whose observations or actions a preset does not have.

    Raises:
      ValueError: names the array, what it is, and what the preset has.
    """
    if not isinstance(spec, TaskSpec) or not isinstance(spec.observation, dict):
        found = describe_observation(spec.observation) if isinstance(spec, TaskSpec) else "a vector"
        wanted = ", ".join(_wanted(sizes, encoded=False))
        raise ValueError(f"{name} sees observations with {wanted}, and those of the task are {found}")
    for field, (dtype, shape) in _wanted(sizes, are_features(spec.observation)).items():
        size = ",".join("n" if side is None else str(side) for side in shape)
        wanted = f"{np.dtype(dtype)}[{size}]"
        leaf = spec.observation.get(field)
        if leaf is None:
            found = describe_observation(spec.observation)
            raise ValueError(f"the observation has no {field}, which {name} has as {wanted}: it is {found}")
        floats = np.issubdtype(leaf.dtype, np.floating) and np.issubdtype(dtype, np.floating)
        same = len(leaf.shape) == len(shape) and all(
            b in (None, a) for a, b in zip(leaf.shape, shape, strict=True)
        )
        if not same or not (floats or leaf.dtype == dtype):
            raise ValueError(f"the observation's {field} is {describe_array(leaf)}, and {name} has {wanted}")
    if spec.action.shape != (sizes.action_size,):
        raise ValueError(
            f"an action has the shape {list(spec.action.shape)}, and {name} has [{sizes.action_size}], a "
            f"chunk of {sizes.chunk} steps of {sizes.step_size} numbers"
        )


def _networks(
    name: str, spec: TaskSpec | int, chosen: Sizes, encoder: Any, readout: str, actions: str
) -> Networks:
    if encoder != AUTO or chosen.actor_dropout > 0.0:
        field = "actor_dropout" if encoder == AUTO else "encoder"
        raise ValueError(f"{name} has its own backbone; leave {field} out")
    fixed = PRESETS[name]._replace(arithmetic=chosen.arithmetic, readout=readout)
    _refuse(name, fixed, spec)
    first = initializers.orthogonal(0.01)
    if isinstance(spec, TaskSpec) and are_features(spec.observation):
        made = with_critics(vla_policy(fixed, encoded=True), chosen, first, first)
        critic, value = critic_of_features(made.critic, actions), value_of_features(made.value)
        return made._replace(critic=critic, value=value)
    made, seen = with_critics(vla_policy(fixed), chosen, first, first), Readout(fixed)
    return made._replace(critic=encoded_critic(made.critic, seen), value=encoded_value(made.value, seen))


def _preset(name: str) -> Preset:
    """A preset, registered under its name, with the arguments of `presets.sizes` and its `readout`.

    Widths, dropout and encoders are the preset's own; the others belong to critics.
    """

    def call(
        spec: TaskSpec | int,
        hidden: Widths = (256, 256),
        *,
        readout: ReadoutName = "flat",
        critic_actions: CriticActions = ABSOLUTE,
        **arguments: Any,
    ) -> Networks:
        # Features need no encoder, which would be looked for.
        of = spec.action_size if isinstance(spec, TaskSpec) and are_features(spec.observation) else spec
        chosen = sizes_of(of, hidden, **arguments)
        return _networks(name, spec, chosen, arguments.get("encoder", AUTO), readout, critic_actions)

    call.__doc__ = (
        f"The vision-language-action policy {name} of `PRESETS`.\n\nArgs:\n  readout: what the tokens of its "
        "transformer become for critics, see `Backbone`.\n  critic_actions: what critics of features see of "
        "an action, see `features.critic_of_features`; those of images see it as it is."
    )
    return register_networks(name, checked(sizes_of)(call))


for _name in PRESETS:
    _preset(_name)
