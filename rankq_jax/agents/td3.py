"""The update of TD3 with two slots, which TD3+BC and ReBRAC fill."""

import functools
from collections.abc import Callable
from typing import Annotated, NamedTuple

import jax
import jax.numpy as jnp
import optax

from rankq_jax.agents.objectives import td_loss
from rankq_jax.agents.optimizers import Optimizers
from rankq_jax.agents.state import (
    STEP_METRICS,
    Trainable,
    copied,
    gradient_step,
    greedy,
    prefixed,
    trainable,
    valuing,
)
from rankq_jax.bounds import Interval, Noise, Rate, checked
from rankq_jax.losses import ensemble_min, td_target
from rankq_jax.networks import Networks
from rankq_jax.types import Agent, Key, Metrics, Params, Policy, Transition


class TD3State(NamedTuple):
    """What a TD3 agent carries."""

    step: jax.Array  # [] int32, updates of the critic done
    actor: Trainable
    critic: Trainable
    target_actor: Params
    target_critic: Params
    actor_metrics: Metrics  # of the last policy step, reported until the next; zeros before the first


class Following(NamedTuple):
    """The part of the state that moves with the policy; see `TD3State`."""

    actor: Trainable
    target_actor: Params
    target_critic: Params
    actor_metrics: Metrics


Every = Annotated[int, Interval(1, 1000, integer=True)]  # updates between two of something
# (q [E, B] at the policy's actions, policy action [B, *A], batch, step []) -> (loss [], metrics)
ActorLoss = Callable[[jax.Array, jax.Array, Transition, jax.Array], tuple[jax.Array, Metrics]]
# (target action [B, *A], batch) -> what is taken from the next value [B]
TargetPenalty = Callable[[jax.Array, Transition], jax.Array]


def _noisy(policy: Policy, noise: float, params: Params, observation: jax.Array, key: Key) -> jax.Array:
    """`[B, *A]`: the mode with Gaussian noise of the standard deviation `noise`, in the box."""
    action = policy.mode(params, observation)
    drawn = noise * jax.random.normal(key, action.shape, action.dtype)
    return jnp.clip(action + drawn, -1.0, 1.0)


@checked()
def td3(
    networks: Networks,
    optimizers: Optimizers,
    *,
    actor_loss: ActorLoss,
    target_penalty: TargetPenalty,
    target_noise: Noise = 0.2,
    target_noise_limit: Noise = 0.5,
    actor_every: Every = 2,
    target_rate: Rate = 0.005,
    exploration_noise: Noise = 0.1,
) -> Agent:
    """Twin delayed deterministic policy gradient (arXiv 1802.09477) with two slots.

    In the order of the published code: the critic moves; on every `actor_every`-th update the policy follows
    the critic that has just moved, and then both targets move. They stand still on the others.

    Args:
      networks: a policy and a critic.
      optimizers: of both.
      actor_loss: of the policy.
      target_penalty: subtracted from the target value.
      target_noise: standard deviation of the noise on target actions, in units of the range [-1, 1].
      target_noise_limit: at which that noise is clipped.
      actor_every: critic updates for each policy update.
      target_rate: Polyak rate of both targets.
      exploration_noise: standard deviation of the noise on collected actions.

    Raises:
      ValueError: if a value is out of bounds.
    """
    policy, critic = networks.policy, networks.critic

    def init(key: Key, example: Transition) -> TD3State:
        k_actor, k_critic = jax.random.split(key)
        actor = policy.init(k_actor, example.observation, example.action)
        q = critic.init(k_critic, example.observation, example.action)
        steps = jnp.zeros((), jnp.int32)
        start = trainable(actor, optimizers.actor)
        named = [*jax.eval_shape(policy_loss, actor, example, q, steps)[1], *STEP_METRICS]
        return TD3State(
            step=steps,
            actor=start,
            critic=trainable(q, optimizers.critic),
            target_actor=copied(actor),
            target_critic=copied(q),
            actor_metrics={name: jnp.zeros((), jnp.float32) for name in named},
        )

    def policy_loss(
        params: Params, batch: Transition, q_params: Params, step: jax.Array
    ) -> tuple[jax.Array, Metrics]:
        action = policy.mode(params, batch.observation)
        return actor_loss(critic.apply(q_params, batch.observation, action), action, batch, step)

    step_critic = gradient_step(td_loss(critic), optimizers.critic)
    step_actor = gradient_step(policy_loss, optimizers.actor)

    def follow(moving: Following, q: Params, batch: Transition, step: jax.Array) -> Following:
        """The policy steps, and both targets move; `step` updates were done before this one."""
        actor, metrics = step_actor(moving.actor, batch, q, step)
        targets = (moving.target_actor, moving.target_critic)
        target_actor, target_critic = optax.incremental_update((actor.params, q), targets, target_rate)
        reported = {name: jnp.asarray(value, jnp.float32) for name, value in metrics.items()}
        return Following(actor, target_actor, target_critic, reported)

    def update(state: TD3State, batch: Transition, key: Key) -> tuple[TD3State, Metrics]:
        proposed = policy.mode(state.target_actor, batch.next_observation)
        noise = target_noise * jax.random.normal(key, proposed.shape, proposed.dtype)
        noise = jnp.clip(noise, -target_noise_limit, target_noise_limit)
        action = jnp.clip(proposed + noise, -1.0, 1.0)
        q = ensemble_min(critic.apply(state.target_critic, batch.next_observation, action))
        target = td_target(batch.reward, batch.discount, q - target_penalty(action, batch))
        new_critic, critic_metrics = step_critic(state.critic, batch, target)

        # A condition that is skipped where seeds run one after another, and a selection under a vmap.
        followed = jax.lax.cond(
            (state.step + 1) % actor_every == 0,
            follow,
            lambda moving, *rest: moving,
            Following(state.actor, state.target_actor, state.target_critic, state.actor_metrics),
            new_critic.params,
            batch,
            state.step,
        )
        new_state = TD3State(step=state.step + 1, critic=new_critic, **followed._asdict())
        return new_state, prefixed(critic=critic_metrics, actor=followed.actor_metrics)

    act = functools.partial(_noisy, policy, exploration_noise)
    params, values = lambda state: state.actor.params, valuing(critic)
    return Agent(init, update, act, greedy(policy), params, values=values)
