"""A finished run, and copies of it as it was at earlier places."""

import shutil

import pytest

from rankq_jax import configs
from rankq_jax.loop import Stage
from rankq_jax.training import train
from tests.faults.comparison import leaves

ARGUMENT = "pointmaze-umaze,smoke"
# Rounds online of 10 updates, of which 8, 12 and 8 are made in three, and 2 stay owed.
LENGTHS = {
    "offline.updates": 20, "offline.updates_per_iteration": 10, "offline.updates_per_dispatch": 5,
    "offline.checkpoint_every": 1, "online.checkpoint_every": 1, "keep_checkpoints": 99,
    "online.env_steps": 1_500, "online.env_steps_per_iteration": 500, "evaluation_episodes": 2,
}  # fmt: skip
ENDS = {"first": (0, 1), "offline": (0, 2), "online": (1, 1), "end": (1, 3)}


def config_of(arm="rankq", **changes):
    config = configs.arm(arm, ARGUMENT)
    config.update_from_flattened_dict(LENGTHS | {f.replace("__", "."): value for f, value in changes.items()})
    return configs.parse(config)


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory):
    """The folder of a finished run with a checkpoint at the end of each round, and one inside a round."""
    folder = tmp_path_factory.mktemp("runs") / "finished"
    train.train(config_of(checkpoint_minutes=1e-6), folder)
    return folder


@pytest.fixture(scope="session")
def places(finished_run):
    """The numbers of its checkpoints, by phase, rounds that are done, and whether one more has begun."""
    found = {}
    for path in sorted((finished_run / "checkpoints").glob("[0-9]*"), key=lambda path: int(path.name)):
        p = {name.split("'")[1]: value for name, value in leaves(path).items() if name.startswith("progress")}
        begun = int(p["stage"]) > Stage.COLLECT
        found.setdefault((int(p["phase"]), int(p["iteration"]), begun), int(path.name))
    return found


@pytest.fixture
def run_at(finished_run, places, tmp_path):
    """Makes a copy of the run as it was when it had come to a place."""

    def make(place, summary=False):
        folder = tmp_path / "run"
        shutil.copytree(finished_run, folder)
        number = places[place if len(place) == 3 else (*place, False)]
        for path in (folder / "checkpoints").glob("[0-9]*"):
            if int(path.name) > number:
                shutil.rmtree(path)
        if not summary:
            (folder / "summary.json").unlink()
        return folder

    return make
