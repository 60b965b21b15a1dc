"""From behavior cloning to RankQ of the same flow policy, offline and online, on states of the tabletop."""

import signal
import sys
import warnings

import jax
import numpy as np
import pytest

from rankq_jax import configs
from rankq_jax.cli.main import execute
from rankq_jax.envs.tabletop import demonstrations
from rankq_jax.errors import InputError
from rankq_jax.networks.vla.presets import PRESETS
from rankq_jax.training import build, stopping
from rankq_jax.training.restore import restore

TASK = "widowx-cube-stacking-state"
TINY = {"width": 8, "mlp": 8, "depth": 1, "head_dim": 4, "expert_width": 8, "expert_mlp": 8,
        "token_readout": 2, "flat_readout": 6}  # fmt: skip
DATA = ["--config.dataset_steps=20", "--config.batch_size=8", "--config.evaluation_episodes=1"]
OFFLINE = ["--config.offline.updates=4", "--config.offline.updates_per_iteration=2",
           "--config.offline.updates_per_dispatch=2"]  # fmt: skip
SAC_FLOW = ["--config.networks=vla-state", "--config.flow_noise=True", "--config.rankq.entropy=False",
            "--config.rankq.backup_samples=1", "--config.rankq.critic_warmup=2"]  # fmt: skip
FROZEN = ["--config.encoder_training=frozen", "--config.online.env_steps=50", "--config.train_envs=1",
          "--config.online.env_steps_per_iteration=25", "--config.online.updates_per_step=0.04",
          "--config.online.updates_per_dispatch=1"]  # fmt: skip


def same(one, other):
    return all(map(np.array_equal, *map(jax.tree.leaves, (one, other))))


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder to work in, small networks, two tables for the expert, and signals as they were."""
    before = {number: signal.getsignal(number) for number in stopping.SIGNALS}
    shown, hook = warnings.showwarning, sys.unraisablehook
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(demonstrations, "ROWS", 2)
    monkeypatch.setitem(PRESETS, "vla-state", PRESETS["vla-state"]._replace(**TINY))
    yield tmp_path
    for number, handler in before.items():
        signal.signal(number, handler)
    warnings.showwarning, sys.unraisablehook = shown, hook


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*every episode succeeds")  # demonstrations do
def test_rankq_begins_with_a_cloned_policy_and_goes_on_online(here, capsys):
    assert execute(["train", f"--config=flow_bc:{TASK},smoke", "--workdir=bc", *DATA, *OFFLINE]) in (0, None)
    average = restore(here / "bc").state.average
    assert execute(["export", "--workdir=bc", "--out=bc.npz"]) in (0, None)
    for source in ("bc", "bc.npz"):
        capsys.readouterr()
        words = [f"--config=rankq:{TASK},smoke", f"--init-from={source}", f"--workdir=of-{source}"]
        assert execute(["train", *words, *DATA, *OFFLINE, *SAC_FLOW, *FROZEN]) in (0, None)
        told = capsys.readouterr().out
        assert "actor, critic's encoder, target_critic's encoder; initialized: actor's noise" in told
        state = restore(here / f"of-{source}").state
        for params in (state.actor.params, state.critic.params, state.target_critic):
            assert same(params["encoder"], average["encoder"])
        assert not same(state.actor.params["velocity"], average["velocity"])
        assert state.step.tolist() == [6] and state.duals == {}
    weights = ["--out=flow.npz", "--workdir=of-bc"]
    assert execute(["export", *weights]) in (0, None)
    assert execute(["evaluate", "--weights=flow.npz", "--episodes=1"]) in (0, None)


@pytest.mark.slow
def test_rankq_trains_a_flow_policy_of_vectors(here):
    words = ["--config=rankq:pointmaze-umaze,smoke", "--config.networks=flow", "--config.dataset_steps=3000"]
    steps = ["--config.flow_steps=2", "--config.online.env_steps=600"]
    assert execute(["train", *words, *SAC_FLOW[1:], *steps, "--workdir=run"]) in (0, None)
    state = restore(here / "run").state
    assert set(state.actor.params) == {"velocity", "noise"}
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(state.actor.params))


@pytest.mark.parametrize(("words", "why"), [
    (["--config=rankq:pointmaze-umaze", "--config.flow_noise=True"],
     "config.networks=cal_ql: noise is for policies that integrate a velocity"),
    (["--config=flow_bc:pointmaze-umaze", "--config.flow_noise=True"],
     "config.networks=flow: flow_bc trains the velocity alone; set config.flow_noise=False"),
    (["--config=rankq:pointmaze-umaze", "--config.networks=flow"], "needs a policy with a density"),
    (["--config=rankq:pointmaze-umaze", "--config.flow_steps=2"],
     "config.flow_steps: is not read: config.flow_noise=False leaves it without effect"),
    (["--config=rankq:pointmaze-umaze", "--config.rankq.entropy=False", "--config.rankq.backup_entropy=True"],
     "config.rankq: backup_entropy=True takes an entropy, which entropy=False leaves out"),
])  # fmt: skip
def test_what_is_no_such_policy_is_refused(words, why):
    with pytest.raises(InputError) as found:
        build.experiment(configs.read(words).config)
    assert why in str(found.value) and "\n" not in str(found.value)
