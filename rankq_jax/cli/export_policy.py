"""Writes the greedy policy of a run as a small file of weights with its provenance.

python -m experiments.export_policy --workdir=DIR --out=FILE.npz [--seed=N] [--best]

`rankq_jax.trained_policies.load_policy` reads it, with numpy and nothing else: docs/exporting.md.
"""

from pathlib import Path

from absl import flags

from rankq_jax.cli import command
from rankq_jax.errors import InputError
from rankq_jax.trained_policies import save_policy
from rankq_jax.training import weights
from rankq_jax.training.restore import restore

WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run.")
BEST = flags.DEFINE_bool("best", False, "Take the checkpoint of the best evaluation, not the newest.")
SEED = flags.DEFINE_integer("seed", None, "Seed of the run whose policy is exported; by default the first.")
OUT = flags.DEFINE_string("out", None, "File to write, ending in .npz.")


def main(arguments: list[str]) -> None:
    """Entry point."""
    command.no_more(arguments)
    folder, out = Path(WORKDIR.value or ""), Path(OUT.value or "")
    if out.suffix != ".npz":
        raise InputError(f"--out={out}: must end in .npz.")
    if not out.parent.is_dir():
        raise InputError(f"--out={out}: its folder does not exist; make it.")
    restored = restore(folder, BEST.value, exact=True)
    save_policy(weights.export(restored, folder, SEED.value), out)
    print(f"policy: {out}")


def start() -> None:
    """Runs the command on the arguments of the process."""
    flags.mark_flag_as_required("workdir")
    flags.mark_flag_as_required("out")
    command.run(main)


if __name__ == "__main__":
    start()
