"""Trained policies as small files of weights, and their greedy actions in numpy."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rankq_jax import files
from rankq_jax.data.sources import containers
from rankq_jax.errors import InputError

MOST_LAYERS = 10
FOLDER = Path(__file__).parent / "policies"


class TrainedPolicy(NamedTuple):
    """A multilayer perceptron with ReLU and a tanh at its end.

    Attributes:
      kernels: `[inputs, outputs]` of each layer.
      biases: `[outputs]` of each layer.
      provenance: how it was trained: configuration, lengths, results, versions.
    """

    kernels: tuple[np.ndarray, ...]
    biases: tuple[np.ndarray, ...]
    provenance: dict[str, Any]

    def __call__(self, observation: np.ndarray) -> np.ndarray:
        """`[n, O] -> [n, A]` in [-1, 1], float32."""
        x = observation.astype(np.float32)
        for kernel, bias in zip(self.kernels[:-1], self.biases[:-1], strict=True):
            x = np.maximum(x @ kernel + bias, 0.0)
        return np.tanh(x @ self.kernels[-1] + self.biases[-1])


def save(policy: TrainedPolicy, path: Path) -> None:
    """Writes a policy, all or nothing."""
    arrays: dict[str, Any] = {f"kernel_{i}": kernel for i, kernel in enumerate(policy.kernels)}
    arrays |= {f"bias_{i}": bias for i, bias in enumerate(policy.biases)}
    with files.atomic(path) as file:
        np.savez_compressed(file, provenance=json.dumps(policy.provenance), **arrays)


def exists(name: str) -> bool:
    """Whether the package has a trained policy of that name."""
    return (FOLDER / f"{name}.npz").exists()


def load(name: str) -> TrainedPolicy:
    """The trained policy of that name.

    Raises:
      InputError: if the file is missing or damaged.
    """
    path = FOLDER / f"{name}.npz"
    layers = [f"{part}_{index}" for index in range(MOST_LAYERS) for part in ("kernel", "bias")]
    saved = containers.read(path, ["provenance", *layers])
    if not {"provenance", "kernel_0", "bias_0"} <= set(saved):
        raise InputError(f"{path}: field 'kernel_0' is missing; install the package anew.")
    return TrainedPolicy(
        kernels=tuple(saved[key] for key in layers if key in saved and key.startswith("kernel")),
        biases=tuple(saved[key] for key in layers if key in saved and key.startswith("bias")),
        provenance=json.loads(str(saved["provenance"])),
    )
