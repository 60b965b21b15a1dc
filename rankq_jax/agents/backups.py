"""Backups: the value of the next state, `(networks, state, batch, key) -> [B]`."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from rankq_jax.agents.state import ActorCriticState
from rankq_jax.bounds import Samples, checked
from rankq_jax.losses import ensemble_min
from rankq_jax.networks import Networks
from rankq_jax.types import Key, Params, Policy, Transition

Backup = Callable[[Networks, ActorCriticState, Transition, Key], jax.Array]


def sample_actions(
    policy: Policy, params: Params, observation: jax.Array, key: Key, samples: int
) -> tuple[jax.Array, jax.Array]:
    """`N = samples` policy actions for every state: `[B, N, *A]` and log density `[B, N]`.

    Only the key is mapped, so the policy network runs once.
    """
    keys = jax.random.split(key, samples)
    draw = jax.vmap(policy.sample, in_axes=(None, None, 0), out_axes=(1, 1))
    return draw(params, observation, keys)


@checked()
def max_target_backup(samples: Samples, entropy: bool = False) -> Backup:
    """The best of `samples` policy actions under the pessimistic target value: `max_j min_k Q_k(s', a_j)`.

    The minimum over members comes first, then the maximum over actions (the max-target backup of the
    CQL and Cal-QL code). One sample with
    `entropy` is the ordinary SAC backup (Eq. 3 of arXiv 1812.05905).

    Args:
      samples: N, at least 1.
      entropy: subtract `alpha log pi` of the chosen action.

    Raises:
      ValueError: if `samples` is out of bounds.
    """

    def backup(networks: Networks, state: ActorCriticState, batch: Transition, key: Key) -> jax.Array:
        actions, log_density = sample_actions(
            networks.policy, state.actor.params, batch.next_observation, key, samples
        )
        q = networks.critic.apply_to_set(state.target_critic, batch.next_observation, actions)  # [E, B, N]
        value = ensemble_min(q)  # [B, N]
        best = jnp.argmax(value, axis=-1, keepdims=True)
        chosen = jnp.take_along_axis(value, best, axis=-1)[:, 0]
        if entropy:
            temperature = jnp.exp(state.duals["temperature"].params)
            chosen -= temperature * jnp.take_along_axis(log_density, best, axis=-1)[:, 0]
        return chosen

    return backup
