"""Parameters of a checkpoint that openpi has written, read leaf by leaf into the types that are asked for.

A checkpoint is a folder for each step, with the items `params`, `train_state` and `assets`. The item `params`
is a pytree whose root has the one name `params`. What openpi has trained itself ends every path in `value`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import orbax.checkpoint as ocp

from rankq_jax.checkpoints.leaves import reason
from rankq_jax.errors import InputError

ITEM, LAST = "params", "value"
NAMED = 3  # leaves that a refusal names
Leaves = dict[tuple[str, ...], Any]


def step_folder(folder: Path | str) -> Path:
    """The folder of a step: the one that is given, or the newest one in it.

    Raises:
      InputError: if neither has an item `params`.
    """
    given = Path(folder).expanduser().absolute()
    if (given / ITEM).is_dir():
        return given
    steps = [path for path in given.glob("*") if path.name.isdecimal() and (path / ITEM).is_dir()]
    if not steps:
        raise InputError(
            f"{given}: has no folder {ITEM}, and no step that has one; give a checkpoint of openpi."
        )
    return max(steps, key=lambda path: int(path.name))


def stored(folder: Path | str) -> Leaves:
    """The leaves of a checkpoint by their paths, each with `shape` and `dtype`; no array is read.

    Args:
      folder: see `step_folder`.

    Raises:
      InputError: if there is no checkpoint, or what is there cannot be read.
    """
    return _stored(step_folder(folder) / ITEM)[0]


def _stored(path: Path) -> tuple[Leaves, bool]:
    """What `stored` returns, and whether the paths end in `value`."""
    try:
        with ocp.PyTreeCheckpointer() as reader:
            leaves = _flat(reader.metadata(path).item_metadata[ITEM])
        if not leaves or not all(hasattr(leaf, "shape") for leaf in leaves.values()):
            raise ValueError("it has no arrays")
    except Exception as error:  # damage has many types in orbax and the store below it
        raise InputError(f"{path}: cannot be read ({reason(error)}); copy it again.") from error
    last = all(names[-1] == LAST for names in leaves)
    return {names[:-1] if last else names: leaf for names, leaf in leaves.items()}, last


def refuse_others(folder: Path | str, wanted: Any, found: Leaves) -> None:
    """Refuses a checkpoint that lacks leaves, or has them in another shape.

    Leaves that no one asks for do not matter.

    Args:
      folder: of the checkpoint, for the message.
      wanted: nested dictionaries of what has a `shape`.
      found: see `stored`.

    Raises:
      InputError: names the first three leaves, and how many there are.
    """
    wrong = []
    for path, leaf in sorted(_flat(wanted).items()):
        name, shape = "/".join(path), list(leaf.shape)
        if path not in found:
            wrong.append(f"{name} is missing")
        elif list(found[path].shape) != shape:
            wrong.append(f"{name} is {list(found[path].shape)} in place of {shape}")
    if wrong:
        more = f", and {len(wrong) - NAMED} more" if len(wrong) > NAMED else ""
        raise InputError(
            f"{folder}: {', '.join(wrong[:NAMED])}{more}; choose the variant and the fields of the "
            "model that it was trained with."
        )


def read(folder: Path | str, wanted: Any, device: jax.Device) -> Any:
    """The parameters of a checkpoint, on a device.

    Args:
      folder: see `step_folder`.
      wanted: nested dictionaries of `jax.ShapeDtypeStruct`, whose types the arrays are converted to.
      device: where they go.

    Returns:
      Arrays in the structure of `wanted`.

    Raises:
      InputError: if leaves are missing, have other shapes, or cannot be read.
    """
    path = step_folder(folder) / ITEM
    leaves, last = _stored(path)
    refuse_others(path, wanted, leaves)
    place = jax.sharding.SingleDeviceSharding(device)
    item = {ITEM: jax.tree.map(lambda leaf: {LAST: leaf}, wanted) if last else wanted}
    how = jax.tree.map(lambda leaf: ocp.ArrayRestoreArgs(sharding=place, dtype=leaf.dtype), item)
    try:
        with ocp.PyTreeCheckpointer() as reader:
            args = ocp.args.PyTreeRestore(item=item, restore_args=how, partial_restore=True)
            tree = reader.restore(path, args)[ITEM]
    except Exception as error:
        raise InputError(f"{path}: cannot be read ({reason(error)}); copy it again.") from error
    return jax.tree.map(lambda leaf: leaf[LAST], tree, is_leaf=_is_value) if last else tree


def _is_value(tree: Any) -> bool:
    return isinstance(tree, Mapping) and set(tree) == {LAST}


def _flat(tree: Any) -> Leaves:
    found: Leaves = {}
    todo: list[tuple[tuple[str, ...], Any]] = [((), tree)]
    while todo:
        path, part = todo.pop()
        if isinstance(part, Mapping):
            todo.extend(((*path, str(name)), inner) for name, inner in part.items())
        else:
            found[path] = part
    return found
