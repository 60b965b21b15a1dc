"""The expert that a configuration names, and the rounds in which it is asked."""

from pathlib import Path

from rankq_jax.agents import reads
from rankq_jax.configs import RunConfig
from rankq_jax.errors import InputError
from rankq_jax.networks import EncoderSizes, encoder_of
from rankq_jax.networks.scorer import encoded_scorer, scorer
from rankq_jax.phases import Relabeler
from rankq_jax.preferences import by_value, labeller, ranker
from rankq_jax.preferences.queries import budget
from rankq_jax.training.build import Experiment
from rankq_jax.training.restore import restore
from rankq_jax.types import PREFERRED_ACTION


def _labeller(config: RunConfig, built: Experiment) -> Relabeler:
    chosen, offline = config.preferences, config.offline
    if not chosen.expert:
        raise InputError(
            f"config.preferences.expert: {config.algorithm} asks an expert; give the --workdir of a "
            "finished run of this task."
        )
    expert = restore(Path(chosen.expert))
    if not (Path(chosen.expert) / "summary.json").exists():
        raise InputError(
            f"config.preferences.expert={chosen.expert}: the run is not finished; choose another."
        )
    if expert.config.task != config.task:
        raise InputError(
            f"config.preferences.expert={chosen.expert}: was trained on {expert.config.task}, not on "
            f"{config.task}; choose a run of this task."
        )
    if expert.value is None:
        raise InputError(f"config.preferences.expert={chosen.expert}: has no critic; choose another run.")
    for field, value in (("query_interval", chosen.query_interval), ("all_at_once", chosen.all_at_once)):
        if value % offline.updates_per_round:
            raise InputError(
                f"config.preferences.{field}={value} is not a multiple of the "
                f"{offline.updates_per_round} of one round."
            )
    if chosen.all_at_once >= offline.updates > 0:
        raise InputError(
            f"config.preferences.all_at_once={chosen.all_at_once} comes after the last of the "
            f"{offline.updates} updates."
        )
    if chosen.all_at_once:
        rounds, questions = [chosen.all_at_once // offline.updates_per_round], chosen.query_limit
    else:
        step = chosen.query_interval // offline.updates_per_round
        # The round at the very end of Alg. 1 would label for nobody, and is left out.
        rounds = list(range(step, offline.updates // offline.updates_per_round, step))
        questions = budget(chosen.query_limit, chosen.query_interval, offline.updates)
    if chosen.query_limit and not questions:
        raise InputError(
            f"config.preferences.query_limit={chosen.query_limit} leaves no question for a round."
        )
    learner = None
    if chosen.rank_net and chosen.query_limit:  # where every row is asked nothing is left to guess
        encoder = encoder_of(
            built.task.spec.observation,
            config.encoder,
            EncoderSizes(config.encoder_filters, config.encoder_features),
        )
        plain = scorer(chosen.rank_net_hidden, chosen.rank_net_dropout)
        learner = ranker(encoded_scorer(plain, encoder), epochs=chosen.rank_net_epochs)
    return labeller(
        by_value(expert.value(0)),
        learner,
        questions=questions,
        rounds=rounds,
        flipped=chosen.flipped_answers,
    )


def with_labeller(config: RunConfig, built: Experiment) -> Experiment:
    """`built` with the questions of OAP in its offline phase, if an agent of it needs their answers.

    Raises:
      InputError: if the expert is missing or unfit, or a number of questions is.
    """
    if not reads(config.offline.algorithm or config.algorithm, PREFERRED_ACTION):
        return built
    plan = [
        phase._replace(relabeler=_labeller(config, built)) if phase.name == "offline" else phase
        for phase in built.plan
    ]
    return built._replace(plan=tuple(plan))
