"""Statistics beside checkpoints of openpi, and what is normalized by them."""

import json

import numpy as np
import pytest

from rankq_jax.errors import InputError
from rankq_jax.trained_policies.normalization import Statistics, denormalize, normalize, read_statistics

STATISTICS = Statistics(
    mean=np.array([0.5, 1.0]), std=np.array([2.0, 0.25]), q01=np.array([-1.0, 0.0]), q99=np.array([3.0, 4.0])
)


def written(folder, content, asset="robot"):
    path = folder / "assets" / asset / "norm_stats.json"
    path.parent.mkdir(parents=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_by_hand():
    x = np.array([[3.0, 1.0, 9.0], [-1.0, 4.0, 7.0]])  # the last number has no statistics
    found = normalize(x, STATISTICS)
    np.testing.assert_allclose(found, [[1.0, -0.5, 9.0], [-1.0, 1.0, 7.0]], atol=1e-5)
    found = normalize(x, STATISTICS, "deviations")
    np.testing.assert_allclose(found, [[1.25, 0.0, 9.0], [-0.75, 12.0, 7.0]], rtol=1e-4)
    np.testing.assert_allclose(normalize(x[:, :1], STATISTICS), [[1.0], [-1.0]], atol=1e-5)


@pytest.mark.parametrize("by", ["quantiles", "deviations"])
def test_there_and_back(by):
    x = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    back = denormalize(normalize(x, STATISTICS, by), STATISTICS, by)
    assert back.dtype == np.float32
    np.testing.assert_allclose(back, x, atol=1e-5)


def test_a_gripper_needs_no_statistics():
    x = np.array([[3.0, 0.0], [3.0, 1.0]])
    np.testing.assert_allclose(normalize(x, STATISTICS, gripper=1)[:, 1], [-1.0, 1.0])
    u = np.array([[0.0, 0.2], [0.0, -0.2], [0.0, 1.0]])
    found = denormalize(u, STATISTICS, gripper=1)
    np.testing.assert_allclose(found, [[1.0, 1.0], [1.0, 0.0], [1.0, 1.0]], atol=1e-5)


def test_files(tmp_path):
    content = {"norm_stats": {"actions": {"mean": [1, 2], "std": [3, 4], "q01": None, "q99": None}}}
    written(tmp_path, content, "maker/robot")
    for asset in (None, "maker/robot"):
        (name,), (found,) = zip(*read_statistics(tmp_path, asset).items(), strict=True)
        assert name == "actions" and found.q01 is None
        np.testing.assert_array_equal(found.std, [3.0, 4.0])
    with pytest.raises(ValueError, match="no quantiles"):
        normalize(np.zeros(2), found)
    with pytest.raises(ValueError, match="by='z'"):
        normalize(np.zeros(2), found, "z")
    written(tmp_path, content, "other")
    with pytest.raises(InputError, match="maker/robot, other; choose one"):
        read_statistics(tmp_path)
    with pytest.raises(InputError, match=r"third/norm_stats\.json: no such file"):
        read_statistics(tmp_path, "third")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "Expecting"),
        ("[]", "indices"),
        ({"stats": {}}, "has no 'norm_stats'"),
        ({"norm_stats": {"state": {"mean": [1.0]}}}, "state has no std"),
        ({"norm_stats": {"state": {"mean": [1.0], "std": [1.0, 2.0]}}}, "state.std is no list"),
        ({"norm_stats": {"state": {"mean": [float("nan")], "std": [1.0]}}}, "state.mean is no list"),
        ({"norm_stats": {"state": 3}}, "is no file of statistics"),
    ],
)
def test_damaged_files(tmp_path, content, message):
    path = written(tmp_path, content)
    with pytest.raises(InputError) as caught:
        read_statistics(tmp_path)
    assert str(caught.value).startswith(f"{path}: ") and message in str(caught.value)
    assert "\n" not in str(caught.value)
