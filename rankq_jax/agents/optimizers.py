"""The optimizers of the parts of an agent."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, NamedTuple

import optax

from rankq_jax.bounds import Interval, NonNegative, Optional, checked

LearningRate = Annotated[float, Interval(0.0, 1.0)]
Rates = Annotated[float | None, Optional(Interval(0.0, 1.0))]


class Optimizers(NamedTuple):
    """One optimizer for each part of an agent; an agent uses those of the parts that it has.

    Attributes:
      actor: of the policy.
      critic: of all members of the critic.
      value: of a state value.
      dual: of every dual variable that `duals` does not name.
      duals: of dual variables, by name.
    """

    actor: optax.GradientTransformation
    critic: optax.GradientTransformation
    value: optax.GradientTransformation
    dual: optax.GradientTransformation
    duals: Mapping[str, optax.GradientTransformation] = MappingProxyType({})

    def of_dual(self, name: str) -> optax.GradientTransformation:
        """The optimizer of the dual variable of that name."""
        return self.duals.get(name, self.dual)

    @staticmethod
    @checked()
    def adam(rate: LearningRate, *, critic: Rates = None, clip: NonNegative = 0.0) -> "Optimizers":
        """Adam for every part, as the configurations have it by default.

        Args:
          rate: learning rate of the policy and of the dual variables.
          critic: learning rate of the critic, the state value and the multiplier of CQL; None: `rate`.
          clip: largest global norm of the gradient of each network; 0 clips nothing. Dual variables are
            never clipped.

        Raises:
          ValueError: if a value is out of bounds.
        """
        critic_rate = rate if critic is None else critic

        def network(rate: float) -> optax.GradientTransformation:
            return (
                optax.chain(optax.clip_by_global_norm(clip), optax.adam(rate)) if clip else optax.adam(rate)
            )

        return Optimizers(
            actor=network(rate),
            critic=network(critic_rate),
            value=network(critic_rate),
            dual=optax.adam(rate),
            duals={"cql_weight": optax.adam(critic_rate)},
        )
