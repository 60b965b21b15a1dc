import jax
import pytest

from experiments import build
from experiments.configs import rankq
from experiments.devices import devices_of
from experiments.execution import execution_of
from rankq_jax.errors import InputError


def make(**changes):
    config = rankq.get_config("pointmaze-umaze,smoke")
    config.update_from_flattened_dict(changes)
    return config


def test_without_overlap_every_device_trains():
    assert devices_of(make()) == (jax.devices(), None)


def test_where_phases_overlap_the_last_cpu_device_acts():
    first, second = jax.devices()
    config = make(**{"online.overlap": True, "seeds": 2})
    assert devices_of(config) == ([first], second)
    built = build.experiment(config)
    assert built.layout.devices == 1 and built.acting == second
    assert [phase.overlap for phase in built.plan] == [False, True]
    assert devices_of(make(**{"online.overlap": True, "execution.acting": "device"})) == (
        [first, second],
        None,
    )


def test_a_platform_decides_what_the_configuration_leaves_open():
    assert execution_of(make(), "cpu")[:3] == ("sequential", "unrolled", "host")
    assert execution_of(make(), "gpu")[:3] == ("batched", "batched", "host")
    assert execution_of(make(**{"execution.seeds": "batched"}), "cpu").seeds == "batched"


@pytest.mark.parametrize("field", ["seeds", "critics", "acting"])
def test_an_unknown_layout_is_named(field):
    with pytest.raises(InputError, match=rf"^--config.execution.{field}: unknown value 'batch'"):
        execution_of(make(**{f"execution.{field}": "batch"}))
