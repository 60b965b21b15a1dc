"""The policies that the package comes with: whole, of their tasks, and as good as their files say."""

import dataclasses
import math

import pytest

from rankq_jax import tasks
from rankq_jax.envs.tabletop.variants import WIDEST
from rankq_jax.errors import InputError
from rankq_jax.tasks.tabletop import options_of
from rankq_jax.trained_policies import digest_of, load_weights, located
from rankq_jax.trained_policies.pretrained import FOLDER, names
from rankq_jax.training import gap, weights
from rankq_jax.training.acting import with_arguments

# Of the paper's starting policies, see docs/vla.md.
BANDS = {"carrot-on-plate": (0.40, 0.75), "cube-stacking": (0.15, 0.25), "spoon-in-bowl": (0.15, 0.25)}


def test_there_are_three_and_they_are_small():
    assert names() == [f"vla-xs-{setting}" for setting in sorted(BANDS)]
    assert sum(path.stat().st_size for path in FOLDER.glob("*.npz")) < 2**20


def test_a_short_name_without_its_beginning_is_told():
    with pytest.raises(InputError, match="no such file; the policy of the package is pretrained:vla-xs-cube"):
        located("vla-xs-cube-stacking")


@pytest.mark.parametrize("setting", BANDS)
def test_a_file_holds_the_policy_that_was_calibrated(setting):
    found = load_weights(located(f"pretrained:vla-xs-{setting}"))
    task, known = tasks.find(found.task), found.provenance["calibration"]
    assert found.task == f"widowx-{setting}-source" and found.provenance["commit"]
    weights.check_spec(found, task)
    sizes = {True: 0, False: 0}  # of the backbone, and of the rest with auxiliary heads for 28 and 7 numbers
    for name, array in found.parameters.items():
        sizes["encoder" in name.split("/")[0]] += array.size
    assert sizes == {True: 104_088, False: 54_439 + 129 * 35}
    assert known["parameters"] == digest_of(found.parameters) and known["task"] == found.task
    assert (known["setting"], known["variant"]) == (setting, "")
    low, high = BANDS[setting]
    assert (known["low"], known["high"]) == (low, high) and known["inside"]
    assert low <= known["success"] <= high and 0.0 <= known["gap"] <= WIDEST
    # The world in which it is improved is the one that was found.
    target = dataclasses.replace(options_of(setting, "-target"), gap=0.0)
    assert options_of(setting, "-target").gap == known["gap"] and target == options_of(setting)


@pytest.mark.slow
@pytest.mark.parametrize("setting", BANDS)
def test_a_policy_succeeds_as_often_as_its_file_says(setting):
    """Check C2: 100 episodes of one-step actions, at the rate of the file and inside its band.

    A tenth is two standard errors, for machines that round otherwise; the band is widened by two as well.
    """
    found = load_weights(located(f"pretrained:vla-xs-{setting}"))
    known = found.provenance["calibration"]
    restored = with_arguments(weights.as_restored(found), {"flow_bc.steps": "1"})
    success = gap.success_of(restored, gap.world_of(restored, setting, ""), known["episodes"], known["seed"])
    rate, expected, (low, high) = success(known["gap"]), known["success"], BANDS[setting]
    error = 2.0 * math.sqrt(expected * (1.0 - expected) / known["episodes"])
    told = f"{rate:.0%}, the file says {expected:.0%} in [{low:.0%}, {high:.0%}], two errors are {error:.0%}"
    print(f"{setting}: {told}")
    assert abs(rate - expected) <= 0.1 and low - error <= rate <= high + error, told
