"""Small runs that tests of faults disturb: kinds of runs between which checkpoints differ."""

import types
from collections.abc import Mapping, Sequence
from typing import NamedTuple

CONFIG = "experiments/configs/{}.py:{},smoke"
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
# Episodes of 25 chunks, rounds that end in the middle of them, a ring of rows that wraps online. A phase that
# only collects plans no checkpoint but at its end, so that the clock asks for others, everywhere.
SMALL_TABLETOP = (
    "--config.evaluation_episodes=1", "--config.replay_capacity=60", "--config.checkpoint_minutes=1e-4",
    "--config.collect.env_steps=60", "--config.collect.env_steps_per_iteration=20",
    "--config.offline.updates=20", "--config.offline.updates_per_iteration=10",
    "--config.offline.updates_per_dispatch=5", "--config.online.updates_per_dispatch=4",
    "--config.online.updates_per_step=0.4", "--config.online.env_steps=60",
    "--config.online.env_steps_per_iteration=20", "--config.online.evaluate_every=1",
    "--config.online.checkpoint_every=1",
)  # fmt: skip
TWO = {"XLA_FLAGS": "--xla_force_host_platform_device_count=2"}


class Scenario(NamedTuple):
    """A kind of run: name of the configuration, what is added to it, environment variables, whether it asks
    an expert, for which the first scenario's run is taken, the task, what makes it small, and whether it
    collects before it learns."""

    algorithm: str = "rankq"
    flags: Sequence[str] = ()
    environment: Mapping[str, str] = types.MappingProxyType({})
    expert: bool = False
    task: str = "pointmaze-umaze"
    small: Sequence[str] = SMALL
    collects: bool = False

    @property
    def words(self) -> list[str]:
        """The flags of the training command, but for the folder and the expert."""
        return [f"--config={CONFIG.format(self.algorithm, self.task)}", *self.small, *self.flags]


SCENARIOS = {
    "one seed": Scenario(),
    "two seeds": Scenario(flags=["--config.seeds=2"]),
    "pmap, a seed on each device": Scenario(flags=["--config.seeds=2"], environment=TWO),
    "a batch over two devices": Scenario("iql", ["--config.parallel=batch"], TWO),
    "overlap": Scenario(flags=["--config.online.overlap=True"]),
    "labels from an expert": Scenario("oap_td3_bc", expert=True),
    "checkpoints by time only": Scenario(
        "cal_ql",
        [
            "--config.checkpoint_minutes=0.004",
            "--config.offline.checkpoint_every=0",
            "--config.online.checkpoint_every=0",
        ],
    ),
    "self-rollouts first": Scenario(
        flags=["--config.seeds=2"],
        task="widowx-carrot-on-plate-target",
        small=SMALL_TABLETOP,
        collects=True,
    ),
}

EXPERT = "one seed"  # the scenario whose uninterrupted run is asked
