"""Writes the greedy policy of a run as a small file of weights with its provenance.

rankq export --workdir=DIR --out=FILE.npz [--seed=N] [--best] [--float16] [--calibration=FILE.json]

`rankq_jax.trained_policies.load_policy` reads it, with numpy and nothing else. Of a flow policy the file
holds the parameters by name, which `rankq_jax.load_weights` reads: docs/exporting.md.
"""

import argparse

from rankq_jax.analysis.results import read_json
from rankq_jax.errors import InputError
from rankq_jax.exporting import integrates
from rankq_jax.trained_policies import save_policy, save_weights
from rankq_jax.training import weights
from rankq_jax.training.restore import restore


def main(values: argparse.Namespace) -> None:
    """Writes the policy that the values of the flags name."""
    out = values.out
    if out.suffix != ".npz":
        raise InputError(f"--out={out}: must end in .npz.")
    if not out.parent.is_dir():
        raise InputError(f"--out={out}: its folder does not exist; make it.")
    restored = restore(values.workdir, values.best, exact=True)
    if integrates(restored.params):
        found = weights.parameters_of(restored, values.workdir, values.seed)
        if values.calibration is not None:
            known = {"calibration": read_json(values.calibration)}
            found = found._replace(provenance={**found.provenance, **known})
        save_weights(found, out, "float16" if values.float16 else "float32")
        print(f"weights: {out}, {out.stat().st_size:,} bytes")
        return
    if values.float16 or values.calibration is not None:
        given = "--float16" if values.float16 else f"--calibration={values.calibration}"
        raise InputError(f"{given}: is for flow policies, whose parameters are written; leave it out.")
    save_policy(weights.export(restored, values.workdir, values.seed), out)
    print(f"policy: {out}")
