import shutil

import jax.numpy as jnp
import numpy as np
import pytest

from rankq_jax.checkpoints import Checkpoints
from rankq_jax.errors import InputError


def state(value):
    return {"agent": {"weight": jnp.full(1000, value)}, "env": {"step": np.full(3, value)}}


@pytest.fixture
def folder(tmp_path):
    """Three checkpoints were saved, two are kept."""
    checkpoints = Checkpoints(tmp_path / "checkpoints", keep=2)
    for step in (1, 2, 3):
        checkpoints.save(step, state(float(step)), {"position": step})
    checkpoints.close()
    return tmp_path / "checkpoints"


def opened(folder, like):
    checkpoints = Checkpoints(folder)
    try:
        return checkpoints.restore(like)
    finally:
        checkpoints.close()


def test_the_newest_are_kept_and_the_newest_is_restored(folder):
    assert sorted(p.name for p in folder.iterdir() if p.is_dir()) == ["2", "3"]
    parts, notes = opened(folder, state(0.0))
    np.testing.assert_array_equal(parts["agent"]["weight"], np.full(1000, 3.0))
    np.testing.assert_array_equal(parts["env"]["step"], np.full(3, 3.0))
    assert notes == {"position": 3}


def test_a_part_can_be_read_alone(folder):
    parts, _ = opened(folder, {"agent": state(0.0)["agent"]})
    assert list(parts) == ["agent"]


def test_a_host_array_may_change_after_it_was_saved(tmp_path):
    value = state(1.0)
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    checkpoints.save(1, value, {})
    value["env"]["step"][:] = 9.0
    checkpoints.close()
    parts, _ = opened(tmp_path / "checkpoints", state(0.0))
    np.testing.assert_array_equal(parts["env"]["step"], np.full(3, 1.0))


def test_a_damaged_checkpoint_is_named_and_the_one_before_still_works(folder):
    for file in (folder / "3" / "agent").rglob("*"):
        if file.is_file() and file.stat().st_size > 50:
            file.write_bytes(file.read_bytes()[:50])
    with pytest.raises(InputError, match=r"checkpoints/3: cannot be restored .*delete that folder"):
        opened(folder, state(0.0))
    shutil.rmtree(folder / "3")
    parts, notes = opened(folder, state(0.0))
    np.testing.assert_array_equal(parts["agent"]["weight"], np.full(1000, 2.0))
    assert notes == {"position": 2}


def test_another_structure_is_refused(folder):
    with pytest.raises(InputError, match="cannot be restored"):
        opened(folder, {"agent": {"weight": jnp.zeros(7)}})


def test_no_checkpoint(tmp_path):
    with pytest.raises(FileNotFoundError):
        opened(tmp_path / "checkpoints", state(0.0))
