"""The preset `flow`: a flow policy of vectors and features, beside the critics of the other presets."""

from typing import Any

from rankq_jax.bounds import Widths, checked
from rankq_jax.networks import initializers
from rankq_jax.networks.critics import ensemble, state_value
from rankq_jax.networks.encoded import encoded_critic, encoded_value
from rankq_jax.networks.flows import perceptron_flow
from rankq_jax.networks.presets import Networks, Preset, register_networks, sizes
from rankq_jax.specs import TaskSpec


def _registered(build: Preset) -> Preset:
    return register_networks(build.__name__, checked(sizes)(build))


@_registered
def flow(spec: TaskSpec | int, hidden: Widths = (256, 256), **arguments: Any) -> Networks:
    """A perceptron as the velocity of a flow policy, weights uniform by fan-in; this project's own.

    Raises:
      ValueError: if `actor_dropout` is above 0, or a value is out of bounds.
    """
    chosen = sizes(spec, hidden, **arguments)
    if chosen.actor_dropout > 0.0:
        raise ValueError("actor_dropout is for the Gaussian policies of the families iql and awac")
    first = initializers.fan_in_uniform()
    critic = ensemble(
        chosen.critic_hidden,
        chosen.critics,
        layer_norm=chosen.critic_layer_norm,
        initializer=first,
        unrolled=chosen.unrolled_critics,
        arithmetic=chosen.arithmetic,
    )
    value = state_value(chosen.critic_hidden, first, chosen.arithmetic)
    if chosen.encoder is not None:
        critic, value = encoded_critic(critic, chosen.encoder), encoded_value(value, chosen.encoder)
    policy = perceptron_flow(
        chosen.actor_hidden, chosen.action_size, first, chosen.arithmetic, chosen.encoder
    )
    return Networks(policy, critic, value, chosen.action_size)
