"""The trained policies that the package comes with, by name."""

from pathlib import Path

from rankq_jax.trained_policies import TrainedPolicy, load_policy

FOLDER = Path(__file__).parent / "policies"


def exists(name: str) -> bool:
    """Whether the package has a trained policy of that name."""
    return (FOLDER / f"{name}.npz").exists()


def load(name: str) -> TrainedPolicy:
    """The trained policy of that name.

    Raises:
      InputError: if the file is missing or damaged.
    """
    return load_policy(FOLDER / f"{name}.npz")
