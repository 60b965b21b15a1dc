"""Says what training would say of configurations: see `rankq_jax.cli.resolve`."""

from rankq_jax.cli.resolve import main

if __name__ == "__main__":
    main()
