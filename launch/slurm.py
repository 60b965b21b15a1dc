"""`rankq sweep slurm`, as `python -m launch.slurm`."""

from rankq_jax.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main("sweep", "slurm"))
