"""The 25 real demonstrations of the door in Minari's form, where they are there."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from rankq_jax.data import sources
from rankq_jax.library import train

FOLDER = Path(__file__).resolve().parents[2] / "../shared/data/D4RL/door/human-v2"
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the real demonstrations are not there")


def test_they_load_to_the_values_in_the_file():
    read = sources.read_one(str(FOLDER))
    with h5py.File(FOLDER / "data" / "main_data.hdf5") as file:
        groups = [file[f"episode_{number}"] for number in range(len(file))]
        for field, key, rows in (
            ("observation", "observations", slice(0, -1)),
            ("next_observation", "observations", slice(1, None)),
            ("action", "actions", slice(None)),
            ("reward", "rewards", slice(None)),
            ("terminated", "terminations", slice(None)),
            ("success", "infos/success", slice(1, None)),
        ):
            stored = np.concatenate([group[key][rows] for group in groups])
            np.testing.assert_array_equal(getattr(read.episodes, field), stored, err_msg=field)
    assert read.origin.success == "infos/success"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")  # that demonstrations outlast the task, that all succeed
@pytest.mark.parametrize("algorithm", ["rankq", "cal_ql", "iql", "rlpd"])
def test_they_train(algorithm, tmp_path, capsys):
    words = [f"--config={algorithm}:adroit-door,smoke", f"--config.dataset={FOLDER}"]
    summary = train([*words, "--config.dataset_reading=cal_ql"], tmp_path / "run")
    assert summary["updates"] > 0 and summary["env_steps"] > 0
    out = capsys.readouterr().out
    assert "success from infos/success" in out and "in 8 episodes, 8 of them successful" in out
