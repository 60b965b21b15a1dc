"""Parameters of networks by name as files, with what builds the networks that they fit."""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rankq_jax import files
from rankq_jax.errors import InputError
from rankq_jax.trained_policies.storage import (
    MOST_BYTES,
    PARAMETERS,
    arrays_in,
    content_of,
    json_of,
    reading,
)

FORMAT = 1  # of files of weights
MOST_PARAMETERS = 1_000  # arrays of a file
NAME = re.compile(r"[A-Za-z0-9_./-]{1,200}")
_ABOUT = {"algorithm": str, "task": str, "observation": str, "action": str, "fields": dict}
_OTHERS = ("format", "about", "provenance")


class Weights(NamedTuple):
    """Parameters of a policy, and what they belong to.

    Attributes:
      parameters: `{name: array}`, float32, the parts of a name with slashes between.
      algorithm: name of the agent.
      task: that it was trained on.
      observation: type and shape of an observation, in the words of `TaskSpec.words`.
      action: of an action, likewise.
      fields: `{field of a configuration: value}` that networks and agent are built by.
      provenance: how it was trained: configuration, lengths, results, versions.
      digest: SHA-256 of the file that it was read from; empty if it was not.
    """

    parameters: Mapping[str, np.ndarray]
    algorithm: str
    task: str
    observation: str
    action: str
    fields: Mapping[str, Any]
    provenance: Mapping[str, Any]
    digest: str = ""

    def __repr__(self) -> str:
        """What it is, without the parameters."""
        size = sum(array.size for array in self.parameters.values())
        return f"Weights(algorithm={self.algorithm!r}, task={self.task!r}, {size} parameters)"


def save_weights(weights: Weights, path: Path, dtype: str = "float32") -> None:
    """Writes weights, all or nothing, that `load_weights` can read.

    Args:
      weights: to write.
      path: of the file.
      dtype: of the parameters in the file: `float32`, or `float16` for half the bytes.

    Raises:
      InputError: if it has more than a file may hold, or numbers that the type cannot hold.
      OSError: if the file cannot be written; nothing is left of it.
    """
    with np.errstate(over="ignore"):
        arrays = {PARAMETERS + name: array.astype(dtype) for name, array in weights.parameters.items()}
    if problem := _problem(arrays):
        raise InputError(f"{path}: {problem}; choose float32 or a smaller network.")
    about = {name: getattr(weights, name) for name in _ABOUT}
    texts = {"about": json.dumps(about), "provenance": json.dumps(weights.provenance)}
    with files.atomic(path) as file:
        np.savez_compressed(file, **{"format": np.array(FORMAT), **arrays, **texts})  # type: ignore[arg-type]


def digest_of(parameters: Mapping[str, np.ndarray]) -> str:
    """SHA-256 of parameters by name, in half precision: files of both precisions and the run have the same.

    Numbers that half precision cannot hold count as infinite.
    """
    found = hashlib.sha256()
    with np.errstate(over="ignore"):
        for name, array in sorted(parameters.items()):
            found.update(f"{name} {list(array.shape)}\n".encode())
            found.update(np.asarray(array).astype("<f2").tobytes())
    return found.hexdigest()


def _problem(arrays: Mapping[str, np.ndarray]) -> str:
    """Why arrays are no parameters of a file; empty if they are."""
    for name, array in arrays.items():
        if not NAME.fullmatch(name):
            return f"the name {name[:40]!r} is none of a parameter"
        if array.dtype.name not in ("float16", "float32") or not np.isfinite(array).all():
            return f"field {name!r} is not finite float16 or float32"
    if not 0 < len(arrays) <= MOST_PARAMETERS:
        return f"it has {len(arrays)} parameters, 1 to {MOST_PARAMETERS} can be read"
    size = sum(512 + array.nbytes for array in arrays.values())
    return f"it has {size} bytes, {MOST_BYTES} at most are read" if size > MOST_BYTES else ""


def load_weights(path: Path | str) -> Weights:
    """Reads a file of weights. Nothing in it is executed, and no more is read than it may declare.

    Raises:
      InputError: if there is no such file, or it is damaged, of another format or no file of weights.
    """
    with reading(path, "file of weights", of="a flow policy"):
        content = content_of(Path(path))
        saved = arrays_in(content, _problem_of_name, MOST_PARAMETERS + len(_OTHERS))
        return _weights(saved)._replace(digest=hashlib.sha256(content).hexdigest())


def _problem_of_name(name: str) -> str:
    known = name in _OTHERS or (name.startswith(PARAMETERS) and NAME.fullmatch(name))
    hint = ", as a policy for numpy has; load_policy reads it" if name.startswith("kernel_") else ""
    return "" if known else f"a file of weights has no field {name[:40]!r}{hint}"


def _weights(saved: Mapping[str, np.ndarray]) -> Weights:
    """The weights of a file.

    Raises:
      ValueError: if the fields describe none.
    """
    version = saved.get("format", np.array(""))
    if version.shape != () or version.dtype.kind not in "iu":
        raise ValueError("field 'format' is missing or no whole number")
    if version != FORMAT:
        raise ValueError(f"its format is {version}, this version of rankq_jax reads {FORMAT}")
    about, provenance = json_of(saved, "about"), json_of(saved, "provenance")
    for name, kind in _ABOUT.items():
        if type(about.get(name)) is not kind:
            raise ValueError(f"field 'about' does not say {name!r}")
    arrays = {name: array for name, array in saved.items() if name not in _OTHERS}
    if problem := _problem(arrays):
        raise ValueError(problem)
    parameters = {name.removeprefix(PARAMETERS): array.astype(np.float32) for name, array in arrays.items()}
    return Weights(parameters, **{name: about[name] for name in _ABOUT}, provenance=provenance)
