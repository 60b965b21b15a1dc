"""Behavior cloning of a flow policy."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from rankq_jax.agents.optimizers import Optimizers
from rankq_jax.agents.spec import agent
from rankq_jax.agents.state import (
    Trainable,
    copied,
    gradient_step,
    greedy,
    prefixed,
    require,
    sampling,
    trainable,
)
from rankq_jax.bounds import NonNegative, Rate, Samples, Switch, checked
from rankq_jax.losses.flow import BETA, UNIFORM, flow_matching, interpolate, sample_time
from rankq_jax.networks import Networks, integrating
from rankq_jax.types import WAYPOINT, Agent, Key, Metrics, Params, Transition

RAMP = 10.0  # of the averaging rate at the first updates


class FlowBCState(NamedTuple):
    """What behavior cloning of a flow policy carries."""

    step: jax.Array  # [] int32, updates done
    actor: Trainable
    average: Params  # moving average of the actor's parameters, which acts


@agent("flow", optional=(WAYPOINT,))
@checked()
def flow_bc(
    networks: Networks,
    optimizers: Optimizers,
    *,
    steps: Samples = 10,
    uniform_time: Switch = False,
    auxiliary_weight: NonNegative = 1.0,
    foresight_weight: NonNegative = 4.0,
    average_rate: Rate = 0.001,
) -> Agent:
    """Behavior cloning of a flow policy by flow matching (RankQ, Eq. B.1; pi0, arXiv 2410.24164).

    `mean_b L_FM + w ||f(h) - a||^2 / D + u ||g(h) - q'||^2 / p`: the velocity at a random time between noise
    and the recorded action, and, where the networks have them, auxiliary heads that make the readout h know
    the action, and the robot's own state q' where it changes its grip next (`data.chunks.waypoints`), or, in
    data without waypoints, after the action. That is where the recording went: it trains the backbone to read
    and to see places, which actions at their bounds do not tell. A moving average of the parameters acts.

    Args:
      networks: a policy with a velocity; there is no critic.
      optimizers: of the actor.
      steps: K, Euler steps of an action.
      uniform_time: flow times are uniform, in place of pi0's beta distribution (`losses.flow.sample_time`).
      auxiliary_weight: w, of the auxiliary head that knows the action.
      foresight_weight: u, of the one that knows the robot's own state ahead.
      average_rate: share of the new parameters in the average; in the first updates it is more, so that
        `(update + 1) / (update + 10)` is left of the old ones.

    Raises:
      ValueError: if the policy has no velocity, or a value is out of bounds.
    """
    flow, optimizer = networks.policy.flow, optimizers.actor
    require(flow is not None, "flow_bc", "a policy with a velocity")
    assert flow is not None
    policy = integrating(flow, networks.policy.init, networks.action_size, steps)

    def init(key: Key, example: Transition) -> FlowBCState:
        params = policy.init(key, example.observation, example.action)
        return FlowBCState(jnp.zeros((), jnp.int32), trainable(params, optimizer), copied(params))

    def loss(params: Params, batch: Transition, key: Key) -> tuple[jax.Array, Metrics]:
        k_time, k_noise = jax.random.split(key)
        action, prefix = batch.action, flow.encode(params, batch.observation)
        tau = sample_time(k_time, action.shape[0], UNIFORM if uniform_time else BETA)
        noise = jax.random.normal(k_noise, action.shape, action.dtype)
        x = interpolate(action, noise, tau)
        velocity = flow.velocity(params, x, tau, prefix, flow.proprio(batch.observation))
        matching = jnp.mean(flow_matching(velocity, action, noise))
        if flow.predict is None:
            return matching, {"flow_matching": matching}
        guess, ahead = flow.predict(params, prefix.h)
        error = jnp.mean(jnp.square(guess - action))
        leads = batch.extras[WAYPOINT] if WAYPOINT in batch.extras else flow.proprio(batch.next_observation)
        foresight = jnp.mean(jnp.square(ahead - leads))
        total = matching + auxiliary_weight * error + foresight_weight * foresight
        return total, {"flow_matching": matching, "auxiliary": error, "foresight": foresight}

    step = gradient_step(loss, optimizer)

    def update(state: FlowBCState, batch: Transition, key: Key) -> tuple[FlowBCState, Metrics]:
        actor, metrics = step(state.actor, batch, key)
        rate = jnp.maximum(average_rate, 1.0 - (1.0 + state.step) / (RAMP + state.step))
        average = optax.incremental_update(actor.params, state.average, rate)
        return FlowBCState(state.step + 1, actor, average), prefixed(actor=metrics)

    return Agent(init, update, sampling(policy), greedy(policy), params=lambda state: state.average)
