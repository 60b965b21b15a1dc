"""The benchmark of environments steps what it says that it compares."""

import numpy as np
import pytest

from benchmarks import envs


@pytest.mark.parametrize("case", envs.cases(2), ids=lambda case: f"{case.name}-{case.rows}")
def test_every_line_of_the_table_can_be_measured(case):
    rates = envs.measure(case._replace(rows=2, steps=3), threads=1, rounds=2)
    assert all(rate.shape == (2,) and np.isfinite(rate).all() and (rate > 0).all() for rate in rates)


def test_a_line_holds_medians_of_rates_and_of_the_quotients_of_each_round():
    case = envs.cases(32)[0]
    rates = envs.Rates(
        np.array([1000.0, 4000.0, 3000.0]), np.array([900.0, 2000.0, 3000.0]), np.array([300.0, 500.0, 600.0])
    )
    # Quotients with the bare batch 0.9, 0.5, 1; with the vector environment 3, 4, 5.
    assert envs.line(case, rates) == "| point maze (umaze) | 32 | 500 | 3,000 | 2,000 | 500 | 0.90 | 4.00 |"


@pytest.mark.parametrize("argument", ["--rows=0", "--threads=-1", "--rounds=0"])
def test_impossible_arguments_are_refused(argument, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["envs", argument])
    with pytest.raises(SystemExit, match="2"):
        envs.main()
    assert f"{argument} must be at least 1" in capsys.readouterr().err
