import pytest

from rankq_jax import configs
from rankq_jax.training import train
from tests.experiments.going_on import finished_run, places, run_at  # noqa: F401


@pytest.fixture(scope="session")
def expert(tmp_path_factory):
    """The workdir of a finished run whose critic answers questions about actions."""
    folder = tmp_path_factory.mktemp("expert") / "run"
    config = configs.arm("rankq", "pointmaze-umaze,smoke")
    config.online.env_steps = 0
    train.train(configs.parse(config), folder)
    return folder
