"""Finds the gap between source and target domain at which a policy succeeds as often as wanted.

rankq calibrate --weights=FILE.npz --setting=cube-stacking [--low=0.15] [--high=0.25] [--out=FILE.json]

The policy acts greedily in one step of integration from zero noise.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

from scipy.stats import binomtest

from rankq_jax.cli.evaluate import restored_of
from rankq_jax.envs.tabletop.variants import WIDEST
from rankq_jax.errors import InputError
from rankq_jax.exporting import integrates
from rankq_jax.training import calibration, gap
from rankq_jax.training.acting import algorithm_of, with_arguments
from rankq_jax.writers import write_json


def _telling(success: Callable[[float], float], episodes: int) -> Callable[[float], float]:
    """`success`, which prints a line about every gap: the rate and its 95 % interval (Wilson)."""

    def told(value: float) -> float:
        rate = success(value)
        low, high = _interval(rate, episodes)
        print(
            f"gap {value:.4f}: success {rate:.3f} [{low:.3f}, {high:.3f}] ({episodes} episodes)", flush=True
        )
        return rate

    return told


def _interval(rate: float, episodes: int) -> tuple[float, float]:
    found = binomtest(round(rate * episodes), episodes).proportion_ci(method="wilson")
    return float(found.low), float(found.high)


def main(values: argparse.Namespace) -> None:
    """Prints every evaluation and the gap that is chosen, and writes them where `--out` asks for it."""
    values.task = None  # the networks are those of the policy's own task
    restored = restored_of(values)
    algorithm = algorithm_of(restored.config, restored.notes)[1]
    if not integrates(restored.params):
        raise InputError(f"the policy of {algorithm} integrates no velocity, and a gap is of one that does.")
    restored = with_arguments(restored, {f"{algorithm}.steps": "1"})
    options = gap.world_of(restored, values.setting, values.variant)
    success = _telling(gap.success_of(restored, options, values.episodes, values.seed), values.episodes)
    found = gap.find_gap(success, values.low, values.high, values.halvings)
    print(_conclusion(found, values.low, values.high))
    if values.out is not None:
        tried = [
            {**one._asdict(), "interval": _interval(one.success, values.episodes)} for one in found.tried
        ]
        asked = ("setting", "variant", "low", "high", "halvings", "episodes", "seed")
        source = values.weights or str(values.workdir)
        about = {"policy": Path(source).name, **calibration.policy_of(restored)}
        about |= {name: getattr(values, name) for name in asked}
        write_json(values.out, {**found._asdict(), **about, "tried": tried})
        print(f"written: {values.out}")


def _conclusion(found: gap.Found, low: float, high: float) -> str:
    chosen = f"gap {found.gap:.4f}: success {found.success:.3f}"
    band = f"the band {low:g} to {high:g}"
    if found.inside:
        return f"chosen: {chosen}, in {band}"
    first, last = found.tried[0], found.tried[-1]
    if first.success < low:
        return f"nearest: {chosen}; it is below {band} without a gap: train the policy longer"
    if last.gap == WIDEST and last.success > high:
        return f"nearest: {chosen}; it is still above {band} at gap {WIDEST:g}: the widest is too small"
    return f"nearest: {chosen}; no gap that was tried lies in {band}: give more episodes or halvings"
