"""One HTML page about one or several runs, or about whole sweeps.

python -m experiments.report --out=DIR FOLDER [FOLDER ...]

A folder with a config.json is the workdir of a run; one without is that of a sweep, and holds workdirs.
"""

from pathlib import Path

from absl import flags

from rankq_jax.cli import command
from rankq_jax.errors import InputError
from rankq_jax.training.report import write

OUT = flags.DEFINE_string("out", None, "Folder that index.html is written to.")


def main(arguments: list[str]) -> None:
    """Entry point."""
    if not arguments:
        raise InputError("give the --workdir of one run or of several, or the folder of a sweep.")
    print(f"report: {write(Path(OUT.value or ''), [Path(a) for a in arguments])}")


def start() -> None:
    """Runs the command on the arguments of the process."""
    flags.mark_flag_as_required("out")
    command.run(main)


if __name__ == "__main__":
    start()
