"""Small runs that tests of faults disturb: kinds of runs between which checkpoints differ."""

import types
from collections.abc import Mapping, Sequence
from typing import NamedTuple

CONFIG = "experiments/configs/{}.py:pointmaze-umaze,smoke"
# Rounds of four and five dispatches that end in the middle of episodes (300 steps at most), a ring of rows
# that wraps several times, an evaluation and a checkpoint in every round.
SMALL = (
    "--config.dataset_steps=3000", "--config.evaluation_episodes=2", "--config.replay_capacity=700",
    "--config.offline.updates=120", "--config.offline.updates_per_iteration=20",
    "--config.offline.updates_per_dispatch=5", "--config.online.updates_per_dispatch=1",
    "--config.offline.evaluate_every=1", "--config.offline.checkpoint_every=1",
    "--config.online.env_steps=2500", "--config.online.env_steps_per_iteration=250",
    "--config.online.evaluate_every=1", "--config.online.checkpoint_every=1",
)  # fmt: skip
TWO = {"XLA_FLAGS": "--xla_force_host_platform_device_count=2"}


class Scenario(NamedTuple):
    """A kind of run: name of the configuration, what is added to it, environment variables, and whether it
    asks an expert, for which the first scenario's run is taken."""

    algorithm: str = "rankq"
    flags: Sequence[str] = ()
    environment: Mapping[str, str] = types.MappingProxyType({})
    expert: bool = False


SCENARIOS = {
    "one seed": Scenario(),
    "two seeds": Scenario(flags=["--config.seeds=2"]),
    "pmap, a seed on each device": Scenario(flags=["--config.seeds=2"], environment=TWO),
    "a batch over two devices": Scenario("iql", ["--config.parallel=batch"], TWO),
    "overlap": Scenario(flags=["--config.online.overlap=True"]),
    "labels from an expert": Scenario("oap_td3_bc", expert=True),
    "checkpoints by time alone": Scenario(
        "cal_ql",
        [
            "--config.checkpoint_minutes=0.004",
            "--config.offline.checkpoint_every=0",
            "--config.online.checkpoint_every=0",
        ],
    ),
}

EXPERT = "one seed"  # the scenario whose uninterrupted run is asked
