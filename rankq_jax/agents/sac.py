"""SAC. CQL, Cal-QL and RankQ are SAC with one other argument."""

from collections.abc import Mapping

from rankq_jax.agents import duals
from rankq_jax.agents.actor_critic import actor_critic
from rankq_jax.agents.backups import max_target_backup
from rankq_jax.agents.duals import Dual
from rankq_jax.agents.objectives import sac_actor_loss, value_actor_loss
from rankq_jax.agents.optimizers import Optimizers
from rankq_jax.agents.regularizers import Regularizer, no_regularizer
from rankq_jax.agents.spec import agent
from rankq_jax.bounds import Finite, Rate, Samples, Switch, Whole, checked
from rankq_jax.networks import Networks
from rankq_jax.types import Agent


@agent("cal_ql", duals=("temperature",))
@checked()
def sac(
    networks: Networks,
    optimizers: Optimizers,
    *,
    backup_samples: Samples = 10,
    backup_entropy: Switch = False,
    target_entropy: Finite = -1.0,
    target_rate: Rate = 0.005,
    entropy: Switch = True,
    critic_warmup: Whole = 0,
    regularizer: Regularizer | None = None,
    extra_duals: Mapping[str, Dual] | None = None,
) -> Agent:
    """Soft actor-critic (arXiv 1812.05905) as the Cal-QL code base and the RankQ paper use it.

    Args:
      networks: a policy with a density, and a critic.
      optimizers: of the actor, the critic and the dual variables.
      backup_samples: policy actions of which the backup takes the best, ten in the Cal-QL code for every
        algorithm; 1 is textbook SAC.
      backup_entropy: whether the backup holds the entropy bonus; textbook SAC does.
      target_entropy: in nats per action dimension.
      target_rate: Polyak rate of the target critic.
      entropy: whether the policy is rewarded for its entropy; False leaves out the temperature too (RankQ's
        SACFlow).
      critic_warmup: the number of first updates in which the policy stays as it is.
      regularizer: added to the TD error of each critic member; None adds nothing.
      extra_duals: dual variables beside the temperature, by name.

    Raises:
      ValueError: if the backup is to hold an entropy that there is not, or as `actor_critic`.
    """
    if backup_entropy and not entropy:
        raise ValueError("backup_entropy=True takes an entropy, which entropy=False leaves out")
    wanted = target_entropy * networks.action_size
    temperature = {"temperature": duals.temperature(wanted)} if entropy else {}
    return actor_critic(
        networks,
        optimizers,
        backup=max_target_backup(backup_samples, entropy=backup_entropy),
        regularizer=no_regularizer() if regularizer is None else regularizer,
        objective=sac_actor_loss() if entropy else value_actor_loss(),
        duals={**temperature, **(extra_duals or {})},
        target_rate=target_rate,
        critic_warmup=critic_warmup,
    )
