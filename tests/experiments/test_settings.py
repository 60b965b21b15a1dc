"""Settings of JAX and XLA that change numbers belong to what a run is compared by."""

import json

import jax
import pytest

from rankq_jax.errors import InputError
from rankq_jax.training import devices, train, workdir
from tests.experiments.going_on import ENDS, config_of
from tests.faults.conftest import contents

SETTINGS = {
    "jax_default_prng_impl": "rbg", "jax_threefry_partitionable": False, "jax_enable_x64": True,
    "jax_default_matmul_precision": "highest", "jax_random_seed_offset": 1,
    "jax_numpy_dtype_promotion": "strict", "jax_high_dynamic_range_gumbel": True,
}  # fmt: skip


@pytest.mark.parametrize("name", SETTINGS)
def test_a_run_does_not_go_on_under_another_setting_of_jax(run_at, name):
    folder = run_at(ENDS["online"])
    before, found = contents(folder), under(name, devices.settings)[name]
    with pytest.raises(InputError) as caught:
        under(name, lambda: train.train(config_of(), folder))
    words = f"settings {name} is {devices.settings()[name]!r} there and {found!r} here"
    assert words in str(caught.value)
    assert ("--accept_changes" in str(caught.value)) == (name != "jax_enable_x64")
    assert contents(folder) == before


def test_flags_of_xla_are_settings_but_those_that_change_no_number(monkeypatch):
    before = devices.settings()
    flags = "--xla_force_host_platform_device_count=4 --xla_dump_to=/tmp/x --xla_cpu_enable_fast_math=true"
    monkeypatch.setenv("XLA_FLAGS", flags)
    found = devices.settings()
    assert [name for name in found if name.startswith("XLA_FLAGS")] == ["XLA_FLAGS xla_cpu_enable_fast_math"]
    assert found["XLA_FLAGS xla_cpu_enable_fast_math"] == "true" and found != before


def under(name, call):
    """What `call` gives under another setting."""
    old = getattr(jax.config, name)
    jax.config.update(name, SETTINGS[name])
    try:
        return call()
    finally:
        jax.config.update(name, old)


def test_another_setting_is_accepted(run_at):
    folder, name = run_at((1, 2)), "jax_default_prng_impl"
    under(name, lambda: train.train(config_of(), folder, accept=True))
    about = json.loads((folder / "config.json").read_text())
    assert about["settings"][name] == "rbg" and about["earlier"][0]["settings"][name] == "threefry2x32"


def test_but_not_one_under_which_the_state_has_other_types(run_at):
    folder, name = run_at((1, 2)), "jax_enable_x64"
    before = contents(folder)
    with pytest.raises(InputError, match=r"jax_enable_x64 is False there and True here \(.* other types\)"):
        under(name, lambda: train.train(config_of(), folder, accept=True))
    assert contents(folder) == before


def test_a_run_from_before_settings_were_recorded_is_compared_as_then(run_at):
    folder = run_at((1, 2))
    about = json.loads((folder / "config.json").read_text())
    mine = workdir.description(config_of(checkpoint_minutes=1e-6))
    assert workdir.compare(folder, mine, accept=False) == []
    older = {name: value for name, value in about.items() if name not in ("settings", "devices")}
    (folder / "config.json").write_text(json.dumps({**older, "source": "older"}))
    found = under("jax_default_prng_impl", lambda: workdir.description(config_of()))
    assert len(workdir.compare(folder, found, accept=True)) == 1  # the source
