"""One HTML page about one or several runs, or about whole sweeps.

rankq report --out=DIR [--film] FOLDER [FOLDER ...]

A folder with a config.json is the workdir of a run; one without is that of a sweep, and holds workdirs.
"""

import argparse

from rankq_jax.training.report import write
from rankq_jax.training.restore import load_imports


def main(values: argparse.Namespace) -> None:
    """Writes the page about the folders that are given."""
    load_imports(values.folders)
    print(f"report: {write(values.out, values.folders, values.film)}")
