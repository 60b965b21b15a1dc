"""`rankq sweep local`, as `python -m launch.local`."""

from rankq_jax.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main("sweep", "local"))
