import jax
import numpy as np
import pytest

from experiments import train, weights
from experiments.configs import bc, expert, rebrac
from experiments.restore import restore
from rankq_jax.data.generate import policy
from rankq_jax.errors import InputError
from rankq_jax.lifting import stepwise


def trained(config, folder):
    config.seeds = 2
    train.train(config, folder)
    return restore(folder)


@pytest.mark.parametrize("make", [bc.get_config, expert.get_config], ids=["deterministic", "gaussian"])
def test_the_file_acts_as_the_first_seed_does(make, tmp_path):
    restored = trained(make("pointmaze-umaze,smoke"), tmp_path / "run")
    exported = weights.export(restored, tmp_path / "run")
    policy.save(exported, tmp_path / "a.npz")
    seen = np.random.default_rng(5).uniform(-2, 2, (2, 9, 4)).astype(np.float32)
    keys = jax.vmap(jax.random.key)(np.arange(2, dtype=np.uint32))
    own = np.asarray(stepwise(restored.agent.mode)(restored.params, seen, keys, np.int32(0)))
    np.testing.assert_allclose(exported(seen[0]), own.reshape(2, 9, 2)[0], atol=1e-5)
    assert np.abs(exported(seen[1]) - own.reshape(2, 9, 2)[1]).max() > 1e-3  # seeds differ
    assert exported.provenance["config"]["task"] == "pointmaze-umaze"
    assert [path.name for path in tmp_path.glob("*.npz")] == ["a.npz"]


def test_what_the_file_cannot_hold_is_refused(tmp_path):
    config = rebrac.get_config("pointmaze-umaze,smoke")
    config.standardise = True
    with pytest.raises(InputError, match="not a plain perceptron"):
        weights.export(trained(config, tmp_path / "run"), tmp_path / "run")
