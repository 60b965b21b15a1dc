"""`rankq sweep ray`, as `python -m launch.ray`."""

from rankq_jax.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main("sweep", "ray"))
