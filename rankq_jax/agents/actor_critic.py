"""The one actor-critic update. An algorithm is a choice of backup, regulariser and dual losses."""

import functools
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import optax

from rankq_jax.agents import duals as dual_variables
from rankq_jax.agents.backups import Backup, propose
from rankq_jax.agents.duals import DualLoss
from rankq_jax.agents.objectives import Objective
from rankq_jax.agents.regularisers import CriticView, Regulariser
from rankq_jax.agents.state import (
    ActorCriticState,
    Parts,
    Trainable,
    copied,
    gradient_step,
    greedy,
    prefixed,
    require,
    sampling,
    trainable,
)
from rankq_jax.bounds import Rate, checked
from rankq_jax.losses import squared_td, td_target
from rankq_jax.types import Agent, Key, Metrics, Params, Transition


def initial(parts: Parts, key: Key, example: Transition) -> ActorCriticState:
    """The state before the first update."""
    k_actor, k_critic = jax.random.split(key)
    actor = parts.policy.init(k_actor, example.observation, example.action)
    critic = parts.critic.init(k_critic, example.observation, example.action)
    logarithms = {name: jnp.float32(first) for name, first in dual_variables.INITIAL.items()}
    return ActorCriticState(
        step=jnp.zeros((), jnp.int32),
        actor=trainable(actor, parts.optimisers.actor),
        critic=trainable(critic, parts.optimisers.critic),
        target_critic=copied(critic),
        duals={name: trainable(v, parts.optimisers.duals[name]) for name, v in logarithms.items()},
    )


@checked()
def actor_critic(
    parts: Parts,
    *,
    backup: Backup,
    regulariser: Regulariser,
    objective: Objective,
    duals: Mapping[str, DualLoss],
    target_rate: Rate,
) -> Agent:
    """An agent from its slots.

    Every gradient reads the incoming state, and the target critic moves last, as in the published
    Cal-QL code: the order of statements cannot change the result. A dual variable without a loss is not
    stepped at all, so that its optimiser state stays as it was.

    Args:
      parts: policy, critic, optimisers.
      backup: value of the next state.
      regulariser: added to the squared TD error of each critic member.
      objective: loss of the actor.
      duals: loss of each dual variable that this algorithm uses.
      target_rate: share of the new critic in the target critic after each update (Polyak averaging).

    Raises:
      ValueError: if the policy has no density.
    """
    policy, critic, optimisers = parts.policy, parts.critic, parts.optimisers
    require(policy.log_density is not None, "an actor-critic agent", "a policy with a density")

    def critic_loss(
        params: Params, state: ActorCriticState, batch: Transition, key: Key
    ) -> tuple[jax.Array, Metrics]:
        k_next, k_regulariser = jax.random.split(key)
        next_value = backup(parts, state, batch, k_next)
        target = td_target(batch.reward, batch.discount, next_value)
        q_data = critic.apply(params, batch.observation, batch.action)
        view = CriticView(
            q_of_set=functools.partial(critic.apply_to_set, params, batch.observation),
            q_data=q_data,
            propose=functools.partial(propose, policy, state.actor.params),
            duals={name: variable.params for name, variable in state.duals.items()},
        )
        td = squared_td(q_data, target)  # [E, B]
        penalty, metrics = regulariser(view, batch, k_regulariser)  # [E, B]
        loss = jnp.sum(jnp.mean(td + penalty, axis=1))  # mean over rows, sum over members
        return loss, {
            **metrics,
            "td": jnp.mean(td),
            "penalty": jnp.mean(penalty),
            "q": jnp.mean(q_data),
            "target": jnp.mean(target),
        }

    def actor_loss(
        params: Params, state: ActorCriticState, batch: Transition, key: Key
    ) -> tuple[jax.Array, Metrics]:
        loss, metrics = objective(parts, params, state, batch, key)  # [B]
        return jnp.mean(loss), metrics

    step_critic = gradient_step(critic_loss, optimisers.critic)
    step_actor = gradient_step(actor_loss, optimisers.actor)

    def step_dual(name: str, variable: Trainable, metrics: Metrics) -> tuple[Trainable, Metrics]:
        if name not in duals:
            return variable, {}
        loss = duals[name]
        step = gradient_step(lambda p: (loss(p, metrics), {}), optimisers.duals[name])
        new, reported = step(variable)
        return new, {f"{name}/loss": reported["loss"], name: jnp.exp(variable.params)}

    def update(state: ActorCriticState, batch: Transition, key: Key) -> tuple[ActorCriticState, Metrics]:
        k_critic, k_actor = jax.random.split(key)
        new_critic, critic_metrics = step_critic(state.critic, state, batch, k_critic)
        new_actor, actor_metrics = step_actor(state.actor, state, batch, k_actor)
        signals = {**critic_metrics, **actor_metrics}
        moved = {name: step_dual(name, v, signals) for name, v in state.duals.items()}
        target = optax.incremental_update(new_critic.params, state.target_critic, target_rate)
        new_state = ActorCriticState(
            step=state.step + 1,
            actor=new_actor,
            critic=new_critic,
            target_critic=target,
            duals={name: variable for name, (variable, _) in moved.items()},
        )
        dual_metrics = {k: v for _, metrics in moved.values() for k, v in metrics.items()}
        return new_state, prefixed(critic=critic_metrics, actor=actor_metrics, dual=dual_metrics)

    return Agent(
        init=functools.partial(initial, parts),
        update=update,
        act=sampling(policy),
        mode=greedy(policy),
        params=lambda state: state.actor.params,
    )
