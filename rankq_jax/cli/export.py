"""Writes the greedy policy of a run as a small file of weights with its provenance.

rankq export --workdir=DIR --out=FILE.npz [--seed=N] [--best]

`rankq_jax.trained_policies.load_policy` reads it, with numpy and nothing else: docs/exporting.md.
"""

import argparse

from rankq_jax.errors import InputError
from rankq_jax.trained_policies import save_policy
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
    save_policy(weights.export(restored, values.workdir, values.seed), out)
    print(f"policy: {out}")
