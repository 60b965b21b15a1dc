"""Files of weights that the package comes with, by short names."""

from pathlib import Path

from rankq_jax.errors import InputError, suggestion

PREFIX = "pretrained:"
FOLDER = Path(__file__).resolve().parents[1] / "pretrained"


def names() -> list[str]:
    """The short names, e.g. `vla-xs-cube-stacking` of `vla_xs_cube_stacking.npz`."""
    return sorted(path.stem.replace("_", "-") for path in FOLDER.glob("*.npz"))


def located(name: str) -> Path:
    """The file that is named by its path, or by `pretrained:NAME` as one of the package.

    Raises:
      InputError: if the package has none of that name; lists those that it has.
    """
    if not name.startswith(PREFIX):
        path = Path(name).expanduser()
        if name in names() and not path.exists():
            raise InputError(f"{name}: no such file; the policy of the package is {PREFIX}{name}.")
        return path
    short, known = name.removeprefix(PREFIX), names()
    if short in known:
        return FOLDER / f"{short.replace('-', '_')}.npz"
    told = suggestion(short, known) if known else " The package comes with none."
    raise InputError(f"{PREFIX}{short}: no pretrained weights have this name.{told}")
