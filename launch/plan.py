"""`rankq sweep plan`, as `python -m launch.plan`."""

from rankq_jax.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main("sweep", "plan"))
