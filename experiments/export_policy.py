"""Writes the greedy policy of a finished run as a small file of weights with its provenance.

python -m experiments.export_policy --workdir=DIR --out=FILE.npz
"""

from pathlib import Path

from absl import flags

from experiments import cli, weights
from experiments.restore import restore
from rankq_jax.data.generate import policy
from rankq_jax.errors import InputError

WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run; its first seed is exported.")
BEST = flags.DEFINE_bool("best", False, "Take the checkpoint of the best evaluation, not the newest.")
OUT = flags.DEFINE_string("out", None, "File to write, ending in .npz.")


def main(arguments: list[str]) -> None:
    """Entry point."""
    cli.no_more(arguments)
    folder, out = Path(WORKDIR.value or ""), Path(OUT.value or "")
    if out.suffix != ".npz":
        raise InputError(f"--out={out}: must end in .npz.")
    if not out.parent.is_dir():
        raise InputError(f"--out={out}: its folder does not exist; make it.")
    policy.save(weights.export(restore(folder, BEST.value), folder), out)
    print(f"policy: {out}")


if __name__ == "__main__":
    flags.mark_flag_as_required("workdir")
    flags.mark_flag_as_required("out")
    cli.run(main)
