"""The one actor-critic update. An algorithm is a choice of backup, regularizer and dual losses."""

import functools
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import optax

from rankq_jax.agents.backups import Backup, sample_actions
from rankq_jax.agents.duals import Dual
from rankq_jax.agents.objectives import Objective
from rankq_jax.agents.optimizers import Optimizers
from rankq_jax.agents.regularizers import CriticView, Regularizer
from rankq_jax.agents.state import (
    ActorCriticState,
    Trainable,
    copied,
    gradient_step,
    greedy,
    prefixed,
    require,
    sampling,
    trainable,
    valuing,
)
from rankq_jax.bounds import Rate, Whole, checked
from rankq_jax.losses import squared_td, td_target
from rankq_jax.networks import Networks
from rankq_jax.types import Agent, Key, Metrics, Params, Transition


def initial(
    networks: Networks, optimizers: Optimizers, duals: Mapping[str, float], key: Key, example: Transition
) -> ActorCriticState:
    """The state before the first update, with dual variables from their first logarithms."""
    k_actor, k_critic = jax.random.split(key)
    actor = networks.policy.init(k_actor, example.observation, example.action)
    critic = networks.critic.init(k_critic, example.observation, example.action)
    return ActorCriticState(
        step=jnp.zeros((), jnp.int32),
        actor=trainable(actor, optimizers.actor),
        critic=trainable(critic, optimizers.critic),
        target_critic=copied(critic),
        duals={
            name: trainable(jnp.float32(logarithm), optimizers.of_dual(name))
            for name, logarithm in duals.items()
        },
    )


@checked()
def actor_critic(
    networks: Networks,
    optimizers: Optimizers,
    *,
    backup: Backup,
    regularizer: Regularizer,
    objective: Objective,
    duals: Mapping[str, Dual],
    target_rate: Rate,
    critic_warmup: Whole = 0,
) -> Agent:
    """An agent from its slots.

    Every gradient reads the incoming state, and the target critic moves last, as in the published
    Cal-QL code: the order of statements cannot change the result. The state has the dual variables of
    `duals` and no others.

    Args:
      networks: a policy with a density, and a critic.
      optimizers: of the actor, the critic and the dual variables.
      backup: value of the next state.
      regularizer: added to the squared TD error of each critic member.
      objective: loss of the actor.
      duals: the dual variables of this algorithm, by name.
      target_rate: share of the new critic in the target critic after each update (Polyak averaging).
      critic_warmup: the number of first updates in which the actor and its optimizer stay as they are.

    Raises:
      ValueError: if the policy has no density.
    """
    policy, critic = networks.policy, networks.critic
    require(policy.log_density is not None, "an actor-critic agent", "a policy with a density")

    def critic_loss(
        params: Params, state: ActorCriticState, batch: Transition, key: Key
    ) -> tuple[jax.Array, Metrics]:
        k_next, k_regularizer = jax.random.split(key)
        next_value = backup(networks, state, batch, k_next)
        target = td_target(batch.reward, batch.discount, next_value)
        q_data = critic.apply(params, batch.observation, batch.action)
        view = CriticView(
            q_of_set=functools.partial(critic.apply_to_set, params, batch.observation),
            q_data=q_data,
            propose=functools.partial(sample_actions, policy, state.actor.params),
            duals={name: variable.params for name, variable in state.duals.items()},
        )
        td = squared_td(q_data, target)  # [E, B]
        penalty, metrics = regularizer(view, batch, k_regularizer)  # [E, B]
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
        loss, metrics = objective(networks, params, state, batch, key)  # [B]
        return jnp.mean(loss), metrics

    step_critic = gradient_step(critic_loss, optimizers.critic)
    step_actor = gradient_step(actor_loss, optimizers.actor)

    def step_dual(name: str, variable: Trainable, metrics: Metrics) -> tuple[Trainable, Metrics]:
        loss = duals[name].loss
        step = gradient_step(lambda p: (loss(p, metrics), {}), optimizers.of_dual(name))
        new, reported = step(variable)
        return new, {f"{name}/loss": reported["loss"], name: jnp.exp(variable.params)}

    def update(state: ActorCriticState, batch: Transition, key: Key) -> tuple[ActorCriticState, Metrics]:
        k_critic, k_actor = jax.random.split(key)
        new_critic, critic_metrics = step_critic(state.critic, state, batch, k_critic)
        new_actor, actor_metrics = step_actor(state.actor, state, batch, k_actor)
        if critic_warmup:  # a selection: the first updates and the later ones are one program
            moves = state.step >= critic_warmup
            new_actor = jax.tree.map(functools.partial(jnp.where, moves), new_actor, state.actor)
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
        init=functools.partial(initial, networks, optimizers, {k: dual.initial for k, dual in duals.items()}),
        update=update,
        act=sampling(policy),
        act_greedy=greedy(policy),
        params=lambda state: state.actor.params,
        values=valuing(critic),
    )
