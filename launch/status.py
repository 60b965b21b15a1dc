"""`rankq sweep status`, as `python -m launch.status`."""

from rankq_jax.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main("sweep", "status"))
