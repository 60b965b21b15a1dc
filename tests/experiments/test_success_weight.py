"""RankQ's alpha_0 beside the data that it weighs."""

import json

import numpy as np
import pytest

from rankq_jax import configs
from rankq_jax.agents import AGENTS, balanced_weight
from rankq_jax.errors import InputError
from rankq_jax.tasks import find
from rankq_jax.training import build, datasets, success_weight, train
from tests.conftest import make_batch


def dataset(successes, rows=20):
    batch = make_batch(rows=rows)
    label = (np.arange(rows) < successes).astype(np.float32)
    return batch._replace(extras={**batch.extras, "success": label})


def config(choice="given", weight=1.0, file="rankq", **changes):
    chosen = configs.arm(file, "pointmaze-umaze,smoke")
    chosen.success_weight, chosen.rankq.success_weight = choice, weight
    chosen.update_from_flattened_dict(changes)
    return configs.parse(chosen)


@pytest.mark.parametrize(("successes", "expected"), [(1, 20.0), (5, 4.0), (8, 2.5), (20, 1.0)])
def test_balanced_is_one_over_the_share_of_success_rows(successes, expected):
    assert balanced_weight(successes / 20) == pytest.approx(expected)
    own = config("balanced", 7.0)
    settled = success_weight.settled(own, dataset(successes))
    assert settled.sections["rankq"]["success_weight"] == pytest.approx(expected)
    assert own.sections["rankq"]["success_weight"] == 7.0  # what is recorded is what was asked for
    given = success_weight.settled(config("given", 7.0), dataset(successes))
    assert given.sections["rankq"]["success_weight"] == 7.0


@pytest.mark.parametrize("share", [0.0, -0.1, 1.1, float("nan")])
def test_a_share_that_is_none_is_refused(share):
    with pytest.raises(ValueError, match="success rows"):
        balanced_weight(share)


def test_without_a_success_nothing_can_be_balanced():
    with pytest.raises(InputError, match="no row"):
        success_weight.settled(config("balanced"), dataset(0))


@pytest.mark.parametrize(
    ("weight", "successes", "effective", "warned"),
    [
        (20.0, 1, "1", False),
        (20.0, 2, "2", False),
        (20.0, 8, "8", True),
        (1.0, 20, "1", False),
        (5.0, 10, "2.5", True),
    ],
)
def test_what_alpha_0_comes_to_is_said_and_warned_about(weight, successes, effective, warned):
    first, *more = success_weight.announcement(config(weight=weight), dataset(successes))
    assert f"weighs {effective} in" in first and f"{100 * successes / 20:.2f} %" in first
    assert [line.startswith("warning: ") and f"= {effective} " in line for line in more] == [True] * warned


@pytest.mark.parametrize(
    ("file", "speaks"), [("rankq", True), ("rankq_sac", True), ("cql_sac", False), ("iql", False)]
)
def test_only_a_run_that_ranks_speaks_of_it(file, speaks):
    assert bool(success_weight.announcement(config(file=file), dataset(5))) == speaks


def test_a_balanced_weight_that_nothing_reads_is_refused():
    with pytest.raises(InputError, match="belongs to RankQ"):
        build.experiment(config("balanced", file="cql_sac"))
    with pytest.raises(InputError, match="unknown value 'equal'"):
        build.experiment(config("equal"))


class Begins(Exception):
    """A run has been built and would train now."""


def test_a_run_trains_with_the_balanced_weight(tmp_path, capsys, monkeypatch):
    """Twice alike, as a resumed run must; the record says what was asked for."""
    given, spec = [], AGENTS["rankq"]

    def watched(*parts, **arguments):
        given.append(arguments["success_weight"])
        return spec.make(*parts, **arguments)

    def begin(run):
        raise Begins

    monkeypatch.setitem(AGENTS, "rankq", spec._replace(make=watched))
    monkeypatch.setattr(train, "train_with_restarts", begin)
    asked = config("balanced", 7.0, **{"online.env_steps": 0})
    for _ in range(2):
        with pytest.raises(Begins):
            train.train(asked, tmp_path / "run")
    task = find("pointmaze-umaze")
    data = datasets.load(asked, task)[1]
    share = np.mean(data.extras["success"])
    assert 0 < share < 1 and given == pytest.approx([7.0, 1 / share] * 2)  # built first without its data
    assert given[1] == given[3]
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("rankq: "))
    assert "(balanced)" in line and f"{100 * share:.2f} %" in line and "weighs 1 in" in line
    recorded = json.loads((tmp_path / "run" / "config.json").read_text())["config"]
    assert recorded["success_weight"] == "balanced" and recorded["rankq"]["success_weight"] == 7.0


def test_the_weight_of_antmaze_stands_with_the_data_it_belongs_to():
    published = configs.get_config("antmaze-medium-play,paper", "rankq")
    assert (published.rankq.success_weight, published.dataset_kind) == (20.0, "waypoints-rare")
    assert published.dataset_reading == "d4rl"
