"""The expert that a configuration names, and the rounds in which it is asked."""

from pathlib import Path

from rankq_jax.agents import reads
from rankq_jax.configs import RunConfig
from rankq_jax.errors import InputError
from rankq_jax.loop import parts
from rankq_jax.networks import EncoderSizes, encoder_of
from rankq_jax.networks.scorer import encoded_scorer, scorer
from rankq_jax.phases import Relabeler
from rankq_jax.preferences import by_value, labeler, ranker
from rankq_jax.preferences.queries import budget
from rankq_jax.training.build import Experiment
from rankq_jax.training.restore import Restored, restore
from rankq_jax.types import PREFERRED_ACTION


def _expert(config: RunConfig) -> Restored:
    """The finished run whose critic answers.

    Raises:
      InputError: if it is missing or unfit.
    """
    name = f"config.preferences.expert={config.preferences.expert}"
    if not config.preferences.expert:
        raise InputError(
            f"config.preferences.expert: {config.algorithm} asks an expert; give the --workdir of a "
            "finished run of this task."
        )
    folder = Path(config.preferences.expert)
    expert = restore(folder)
    if not (folder / "summary.json").exists():
        raise InputError(f"{name}: the run is not finished; choose another.")
    if expert.config.task != config.task:
        raise InputError(
            f"{name}: was trained on {expert.config.task}, not on {config.task}; choose a run of this task."
        )
    if expert.value is None:
        raise InputError(f"{name}: has no critic; choose another run.")
    return expert


def _labeler(config: RunConfig) -> Relabeler:
    chosen, updates, length = config.preferences, config.offline.updates, config.offline.updates_per_iteration
    expert = _expert(config)
    value = expert.value
    assert value is not None  # `_expert` refuses one without a critic
    one = "config.offline.updates_per_iteration"
    interval, limit = chosen.query_interval, chosen.query_limit
    step = parts("config.preferences.query_interval", interval, one, length)
    at_once = parts("config.preferences.all_at_once", chosen.all_at_once, one, length)
    if chosen.all_at_once >= updates > 0:
        raise InputError(
            f"config.preferences.all_at_once={chosen.all_at_once} comes after the last of the "
            f"{updates} updates."
        )
    # The round at the very end of Alg. 1 would label for nobody, and is left out.
    rounds = [at_once] if at_once else range(step, updates // length, step)
    questions = limit if at_once else budget(limit, interval, updates)
    if limit and not questions:
        raise InputError(f"config.preferences.query_limit={limit} leaves no question for a round.")
    learner = None
    if chosen.rank_net and limit:  # where every row is asked nothing is left to guess
        sizes = EncoderSizes(config.encoder_filters, config.encoder_features)
        encoder = encoder_of(expert.built.task.spec.observation, config.encoder, sizes)
        plain = scorer(chosen.rank_net_hidden, chosen.rank_net_dropout)
        learner = ranker(encoded_scorer(plain, encoder), epochs=chosen.rank_net_epochs)
    return labeler(
        by_value(value(0)), learner, questions=questions, rounds=rounds, flipped=chosen.flipped_answers
    )


def with_labeler(config: RunConfig, built: Experiment) -> Experiment:
    """`built` with the questions of OAP in its offline phase, if an agent of it needs their answers.

    Raises:
      InputError: if the expert is missing or unfit, or a number of questions is.
    """
    if not reads(config.offline.algorithm or config.algorithm, PREFERRED_ACTION):
        return built
    plan = (
        phase._replace(relabeler=_labeler(config)) if phase.collect == 0 else phase for phase in built.plan
    )
    return built._replace(plan=tuple(plan))
