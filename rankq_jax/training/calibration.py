"""What `rankq calibrate` has found, as a file that says of which policy, and that goes into the weights."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rankq_jax.analysis import kinds, results
from rankq_jax.errors import InputError
from rankq_jax.exporting import by_name
from rankq_jax.trained_policies import Weights, digest_of
from rankq_jax.training.restore import Restored

SHOWN = 12  # letters of a digest in a message
_KINDS: dict[str, kinds.Kind] = {
    **dict.fromkeys(("task", "parameters", "setting", "variant"), kinds.text),
    **dict.fromkeys(("gap", "success", "low", "high"), kinds.real),
}


def policy_of(restored: Restored) -> dict[str, str]:
    """`task` and `parameters`, the digest of what acts, of the first seed."""
    params = {name: np.asarray(leaf[0], np.float32) for name, leaf in by_name(restored.params).items()}
    return {"task": restored.config.task, "parameters": digest_of(params)}


def read(path: Path) -> dict[str, Any]:
    """A calibration from its file.

    Raises:
      InputError: if it cannot be read, or lacks a field of a calibration.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; check the path.")
    found = results.read_json(path)
    if missing := [field for field in _KINDS if field not in found]:
        raise InputError(
            f"{path}: field {missing[0]!r} of a calibration is missing; calibrate the policy, and give "
            "the file that this writes."
        )
    kinds.check(path, found, _KINDS)
    return found


def refuse_other(path: Path, found: Mapping[str, Any], weights: Weights) -> None:
    """Refuses the calibration of another policy.

    Args:
      path: of its file.
      found: the calibration.
      weights: of the policy that it should be of.

    Raises:
      InputError: names the file, the field and both values.
    """
    ours = {"task": weights.task, "parameters": digest_of(weights.parameters)}
    for field, value in ours.items():
        if (there := found[field]) != value:
            shown = [one if field == "task" else f"{one[:SHOWN]}..." for one in (there, value)]
            raise InputError(
                f"{path}: field {field!r} is {shown[0]}, that of this policy is {shown[1]}; calibrate this "
                "policy."
            )


def outside(found: Mapping[str, Any]) -> str:
    """In words, that the success rate of a calibration lies outside its band; empty if it does not."""
    rate, low, high = (found[field] for field in ("success", "low", "high"))
    if low <= rate <= high:
        return ""
    return f"success is {rate:.3f} at gap {found['gap']:.4f}, outside the band {low:g} to {high:g}"
