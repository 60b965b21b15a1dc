"""`rankq sweep results`, as `python -m launch.results`."""

from rankq_jax.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main("sweep", "results"))
