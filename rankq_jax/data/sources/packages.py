"""Packages that only some formats need."""

from importlib.util import find_spec

from rankq_jax.errors import InputError

# By name: what it is installed by, beside the extra of this project.
_INSTALLED_BY = {"pyarrow": "pyarrow", "PIL": "pillow"}
_EXTRAS = {"pyarrow": "arrow", "PIL": "lerobot"}


def has(package: str) -> bool:
    """Whether a package is installed."""
    return find_spec(package) is not None


def need(package: str, start: str) -> None:
    """Refuses what needs a package that is not installed.

    Args:
      package: by the name that it is imported by.
      start: the beginning of the message: what needs it.

    Raises:
      InputError: says how to install it.
    """
    if not has(package):
        raise InputError(
            f"{start}, which needs the package {package}; install it by "
            f"`pip install {_INSTALLED_BY[package]}` or as rankq-jax[{_EXTRAS[package]}]."
        )
