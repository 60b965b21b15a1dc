"""A fast part of the generated files, and that the count notices what it counts."""

import numpy as np
import pytest

from rankq_jax import tasks
from rankq_jax.tasks import training_data
from tests.fuzz import data_files, named, others, recorded


def test_sixty_files_are_loaded_or_refused_in_one_line():
    counts, faults = data_files.run(60, seed=5)
    assert faults == []
    assert counts["loaded", "task"] > 10 and counts["refused", "task"] > 10


@pytest.mark.parametrize("layout", others.FORMATS)
def test_six_files_of_each_layout_of_others(layout):
    counts, faults = data_files.run(6, 11, (layout,))
    assert faults == []
    assert counts["loaded", "task"] + counts["refused", "task"] == 6


@pytest.mark.parametrize("layout", named.FORMATS)
def test_ten_files_with_named_observations(layout):
    counts, faults = data_files.run(10, 3, (layout,))
    assert faults == []
    assert counts["loaded", "task"] > 1 and counts["refused", "task"] > 1


@pytest.mark.parametrize("name", recorded.TASKS)
def test_what_is_wrong_is_noticed(tmp_path, name):
    truth = recorded.record(np.random.default_rng(3), name)
    path = recorded.write_flat(tmp_path / "x.npz", recorded.flat(truth, name, "next"))
    task = tasks.find(name)
    data = training_data.load(task, str(path), task.transform, 0.99)
    assert data_files.wrong(task, name, "task", truth, data) == ""
    first = np.array(data.next_observation)
    row = int(np.flatnonzero(data.discount > 0)[0])
    first[row] = truth.observations[-1][0]
    crossed = data._replace(next_observation=first)
    assert data_files.wrong(task, name, "task", truth, crossed).startswith("bootstraps (0, ")
    if task.success is None:
        same = data._replace(extras={**data.extras, "success": np.ones(len(data.reward), np.float32)})
        assert data_files.wrong(task, name, "task", truth, same).startswith("share 1.0")
    else:
        assert "rewards" in data_files.wrong(task, name, "task", truth, data._replace(reward=-data.reward))
