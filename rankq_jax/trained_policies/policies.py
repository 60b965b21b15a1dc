"""A policy as plain weights, and its greedy actions in numpy."""

from typing import Any, NamedTuple

import numpy as np

from rankq_jax.trained_policies import encoders
from rankq_jax.trained_policies.encoders import Encoder

MOST_LAYERS = 10
SQUASHES = ("tanh", "clip")


class TrainedPolicy(NamedTuple):
    """A multilayer perceptron with ReLU, whose last layer is squashed into the action range.

    Its layers see a vector as it is, and other observations through an encoder.

    Attributes:
      kernels: `[inputs, outputs]` of each layer, float32.
      biases: `[outputs]` of each layer, float32.
      provenance: how it was trained: configuration, lengths, results, versions.
      algorithm: name of the agent.
      task: that it was trained on.
      squash: of the last layer's outputs into [-1, 1]: `tanh`, or `clip`.
      mean: `[O]`, subtracted from an observation or its features; None where they are seen as they are.
      deviation: `[O]`, what centered observations are divided by; None together with `mean`.
      encoder: what makes features of an observation; None: an observation is a vector.
    """

    kernels: tuple[np.ndarray, ...]
    biases: tuple[np.ndarray, ...]
    provenance: dict[str, Any]
    algorithm: str = ""
    task: str = ""
    squash: str = "tanh"
    mean: np.ndarray | None = None
    deviation: np.ndarray | None = None
    encoder: Encoder | None = None

    @property
    def observation_size(self) -> int:
        """O, the length of an observation, or the number of its features."""
        return int(self.kernels[0].shape[0])

    @property
    def action_size(self) -> int:
        """A, the length of an action."""
        return int(self.kernels[-1].shape[1])

    def __repr__(self) -> str:
        """What it is, without its weights."""
        sizes = [self.observation_size, *(len(bias) for bias in self.biases)]
        return f"TrainedPolicy(algorithm={self.algorithm!r}, task={self.task!r}, sizes={sizes})"

    def __call__(self, observation: Any) -> np.ndarray:
        """`[n, O] -> [n, A]`: the greedy actions, in [-1, 1], float32.

        Args:
          observation: an array `[n, *O]`, or a dictionary of arrays where the task has one.

        Raises:
          ValueError: if the observations have another shape or type, or an entry is missing.
        """
        if self.encoder is not None:
            x = self.encoder(observation)
        else:
            x = np.asarray(observation).astype(np.float32)
        if x.ndim != 2 or x.shape[1] != self.observation_size:
            raise ValueError(f"observations have shape {x.shape}, [n, {self.observation_size}] is needed")
        if self.mean is not None and self.deviation is not None:
            x = (x - self.mean) / self.deviation
        for kernel, bias in zip(self.kernels[:-1], self.biases[:-1], strict=True):
            x = np.maximum(x @ kernel + bias, 0.0)
        x = x @ self.kernels[-1] + self.biases[-1]
        return np.tanh(x) if self.squash == "tanh" else np.clip(x, -1.0, 1.0)


def weights_of(policy: TrainedPolicy) -> dict[str, np.ndarray]:
    """Every array of a policy, by the name of its field."""
    arrays = {f"kernel_{i}": kernel for i, kernel in enumerate(policy.kernels)}
    arrays |= {f"bias_{i}": bias for i, bias in enumerate(policy.biases)}
    statistics = {"mean": policy.mean, "deviation": policy.deviation}
    arrays |= {} if policy.encoder is None else encoders.weights(policy.encoder)
    return arrays | {name: array for name, array in statistics.items() if array is not None}


def problem_of(policy: TrainedPolicy) -> str:
    """Why a policy cannot act; empty if it can."""
    if policy.squash not in SQUASHES:
        return f"squash {policy.squash[:40]!r} is none of {', '.join(SQUASHES)}"
    if not 0 < len(policy.kernels) == len(policy.biases) <= MOST_LAYERS:
        return f"it has {len(policy.kernels)} kernels and {len(policy.biases)} biases"
    if (policy.mean is None) != (policy.deviation is None):
        return "of 'mean' and 'deviation' it has one without the other"
    if policy.encoder is not None and policy.kernels[0].shape[:1] != (policy.encoder.features,):
        return "field 'kernel_0' does not fit the features of the encoder"
    for name, array in weights_of(policy).items():
        if array.dtype != np.float32 or not np.isfinite(array).all():
            return f"field {name!r} is not finite float32"
    inputs = policy.kernels[0].shape[:1]
    for i, (kernel, bias) in enumerate(zip(policy.kernels, policy.biases, strict=True)):
        linked = kernel.shape[:1] == inputs and bias.shape == kernel.shape[1:]
        if kernel.ndim != 2 or not kernel.size or not linked:
            return f"field 'kernel_{i}' has shape {kernel.shape}, which does not fit its neighbors"
        inputs = bias.shape
    if not (policy.mean is None or policy.deviation is None):
        sizes = {policy.mean.shape, policy.deviation.shape, policy.kernels[0].shape[:1]}
        if len(sizes) > 1 or not (policy.deviation > 0).all():
            return "'mean' and 'deviation' do not fit the observation"
    return ""
