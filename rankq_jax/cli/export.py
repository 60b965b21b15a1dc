"""Writes the greedy policy of a run as a small file of weights with its provenance.

rankq export --workdir=DIR --out=FILE.npz [--seed=N] [--best] [--float16] [--calibration=FILE.json]

`rankq_jax.trained_policies.load_policy` reads it, with numpy and nothing else. Of a flow policy the file
holds the parameters by name, which `rankq_jax.load_weights` reads: docs/exporting.md.
"""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rankq_jax.errors import InputError
from rankq_jax.exporting import integrates
from rankq_jax.trained_policies import Weights, save_policy, save_weights
from rankq_jax.training import calibration, weights
from rankq_jax.training.restore import restore


def main(values: argparse.Namespace) -> None:
    """Writes the policy that the values of the flags name."""
    out = values.out
    if out.suffix != ".npz":
        raise InputError(f"--out={out}: must end in .npz.")
    if not out.parent.is_dir():
        raise InputError(f"--out={out}: its folder does not exist; make it.")
    known = None if values.calibration is None else calibration.read(values.calibration)
    restored = restore(values.workdir, values.best, exact=True)
    if integrates(restored.params):
        found = weights.parameters_of(restored, values.workdir, values.seed)
        if known is not None:
            found = _calibrated(found, values.calibration, known)
        save_weights(found, out, "float16" if values.float16 else "float32")
        print(f"weights: {out}, {out.stat().st_size:,} bytes")
        return
    if values.float16 or known is not None:
        given = "--float16" if values.float16 else f"--calibration={values.calibration}"
        raise InputError(f"{given}: is for flow policies, whose parameters are written; leave it out.")
    save_policy(weights.export(restored, values.workdir, values.seed), out)
    print(f"policy: {out}")


def _calibrated(found: Weights, path: Path, known: Mapping[str, Any]) -> Weights:
    """The weights with the calibration of a file in their provenance; warns of one outside its band."""
    calibration.refuse_other(path, known, found)
    if why := calibration.outside(known):
        print(f"warning: {path}: {why}; the weights are marked so.", file=sys.stderr)
    return found._replace(provenance={**found.provenance, "calibration": {**known, "inside": not why}})
