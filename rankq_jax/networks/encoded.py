"""Networks that look at an observation through an encoder: `Policy -> Policy`, and so on.

Their parameters are those of the network, and those of the encoder beside them under `ENCODER`.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import flax.linen as nn
import jax

from rankq_jax.networks.mlp import network
from rankq_jax.types import Critic, Key, Params, Policy, Value

ENCODER = "encoder"


class Look(NamedTuple):
    """An encoder beside a network: parameters in one dictionary, the encoder's under `ENCODER`.

    Attributes:
      init: `(key, observation [B, *O]) -> params` of the encoder.
      encode: `(params, observation) -> features [B, F]`.
    """

    init: Callable[..., Params]
    encode: Callable[..., Any]

    def parts(self, params: Params, observation: Any) -> tuple[Params, jax.Array]:
        """The parameters of the network, and what it sees."""
        rest = {name: part for name, part in params.items() if name != ENCODER}
        inner = rest["inner"] if set(rest) == {"inner"} else rest
        return inner, self.encode(params[ENCODER], observation)

    def start(self, init: Callable[..., Params], key: Key, observation: Any, *action: Any) -> Params:
        """The first parameters, where `init` is that of the network."""
        k_encoder, k_inner = jax.random.split(key)
        encoder = self.init(k_encoder, observation)
        inner = init(k_inner, self.encode(encoder, observation), *action)
        return {ENCODER: encoder, **(inner if isinstance(inner, Mapping) else {"inner": inner})}


def encoded_policy(policy: Policy, encoder: nn.Module) -> Policy:
    """A policy of features as a policy of observations."""
    look, density, flow = Look(*network(encoder)), policy.log_density, policy.flow

    def sample(params: Params, observation: Any, key: Key) -> tuple[jax.Array, jax.Array]:
        return policy.sample(*look.parts(params, observation), key)

    def log_density(params: Params, observation: Any, action: Any, key: Key | None = None) -> jax.Array:
        assert density is not None
        return density(*look.parts(params, observation), action, key)

    def encode(params: Params, observation: Any) -> Any:
        assert flow is not None
        return flow.encode(*look.parts(params, observation))

    return Policy(
        init=lambda key, observation, action: look.start(policy.init, key, observation, action),
        sample=sample,
        mode=lambda params, observation: policy.mode(*look.parts(params, observation)),
        log_density=None if density is None else log_density,
        flow=None if flow is None else flow._replace(encode=encode),
    )


def encoded_critic(critic: Critic, encoder: nn.Module) -> Critic:
    """A critic of features as a critic of observations; its members share the encoder.

    The encoder does not see the action, so it runs once for a set of actions.
    """
    look = Look(*network(encoder))
    return Critic(
        init=lambda key, observation, action: look.start(critic.init, key, observation, action),
        apply=lambda params, observation, action: critic.apply(*look.parts(params, observation), action),
        apply_to_set=lambda params, observation, actions: critic.apply_to_set(
            *look.parts(params, observation), actions
        ),
    )


def encoded_value(value: Value, encoder: nn.Module) -> Value:
    """A state value of features as one of observations."""
    look = Look(*network(encoder))
    return Value(
        init=lambda key, observation: look.start(value.init, key, observation),
        apply=lambda params, observation: value.apply(*look.parts(params, observation)),
    )
