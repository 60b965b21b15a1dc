"""Exported policies: small npz files of weights, and their greedy actions in numpy.

It needs numpy and no other package, so that a policy acts without JAX and without a simulator. The format
is described in docs/exporting.md.
"""

import io
import json
import math
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rankq_jax import files
from rankq_jax.errors import InputError, one_line

FORMAT = 2  # 1 had no field `format`, and neither sizes nor statistics
MOST_LAYERS = 10
MOST_BYTES = 1 << 26  # of a file, and of what it declares: 16 million weights
MOST_MEMBERS = 100
SQUASHES = ("tanh", "clip")
_ABOUT = {"algorithm": str, "task": str, "squash": str, "observation_size": int, "action_size": int}
_LAYERS = [f"{part}_{index}" for index in range(MOST_LAYERS) for part in ("kernel", "bias")]
_FIELDS = ("format", "about", "provenance", "mean", "deviation", *_LAYERS)


class TrainedPolicy(NamedTuple):
    """A multilayer perceptron with ReLU, whose last layer is squashed into the action range.

    Attributes:
      kernels: `[inputs, outputs]` of each layer, float32.
      biases: `[outputs]` of each layer, float32.
      provenance: how it was trained: configuration, lengths, results, versions.
      algorithm: name of the agent.
      task: that it was trained on.
      squash: of the last layer's outputs into [-1, 1]: `tanh`, or `clip`.
      mean: `[O]`, subtracted from an observation first; None where it is seen as it is.
      deviation: `[O]`, what centered observations are divided by; None together with `mean`.
    """

    kernels: tuple[np.ndarray, ...]
    biases: tuple[np.ndarray, ...]
    provenance: dict[str, Any]
    algorithm: str = ""
    task: str = ""
    squash: str = "tanh"
    mean: np.ndarray | None = None
    deviation: np.ndarray | None = None

    @property
    def observation_size(self) -> int:
        """O, the length of an observation."""
        return int(self.kernels[0].shape[0])

    @property
    def action_size(self) -> int:
        """A, the length of an action."""
        return int(self.kernels[-1].shape[1])

    def __repr__(self) -> str:
        """What it is, without its weights."""
        sizes = [self.observation_size, *(len(bias) for bias in self.biases)]
        return f"TrainedPolicy(algorithm={self.algorithm!r}, task={self.task!r}, sizes={sizes})"

    def __call__(self, observation: np.ndarray) -> np.ndarray:
        """`[n, O] -> [n, A]`: the greedy actions, in [-1, 1], float32.

        Raises:
          ValueError: if the observations have another shape.
        """
        x = np.asarray(observation).astype(np.float32)
        if x.ndim != 2 or x.shape[1] != self.observation_size:
            raise ValueError(f"observations have shape {x.shape}, [n, {self.observation_size}] is needed")
        if self.mean is not None and self.deviation is not None:
            x = (x - self.mean) / self.deviation
        for kernel, bias in zip(self.kernels[:-1], self.biases[:-1], strict=True):
            x = np.maximum(x @ kernel + bias, 0.0)
        x = x @ self.kernels[-1] + self.biases[-1]
        return np.tanh(x) if self.squash == "tanh" else np.clip(x, -1.0, 1.0)


def save_policy(policy: TrainedPolicy, path: Path) -> None:
    """Writes a policy, all or nothing.

    Raises:
      ValueError: if its arrays do not fit together.
      OSError: if the file cannot be written; nothing is left of it.
    """
    if problem := _problem(policy):
        raise ValueError(problem)
    about = {name: getattr(policy, name) for name in _ABOUT}
    arrays: dict[str, Any] = {"format": FORMAT, **_weights(policy)}
    arrays |= {"about": json.dumps(about), "provenance": json.dumps(policy.provenance)}
    with files.atomic(path) as file:
        np.savez_compressed(file, **arrays)


def load_policy(path: Path | str) -> TrainedPolicy:
    """Reads an exported policy. Nothing in the file is executed, and no more is read than it may declare.

    Raises:
      InputError: if there is no such file, or it is damaged, of another format or no policy.
    """
    try:
        return _policy(_arrays(Path(path)))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}); check the path.") from error
    except (ValueError, RecursionError) as error:
        reason = one_line(error)[:200]
        raise InputError(f"{path}: fields cannot be read ({reason}); export the policy again.") from error


def _arrays(path: Path) -> dict[str, np.ndarray]:
    """The fields of a file, whose declared sizes are looked at before anything is unpacked."""
    if (size := path.stat().st_size) > MOST_BYTES:
        raise ValueError(f"it has {size} bytes, {MOST_BYTES} at most are a policy")
    content = path.read_bytes()
    if content.count(b"PK\x01\x02") > MOST_MEMBERS:  # entries of the directory of a zip file
        raise ValueError(f"it has more than {MOST_MEMBERS} fields")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            if sum(member.file_size for member in members) > MOST_BYTES:
                raise ValueError(f"it declares more than {MOST_BYTES} bytes")
            return {member.filename.removesuffix(".npy"): _array(archive, member) for member in members}
    except ValueError:
        raise
    except Exception as error:  # damaged bytes come out of zipfile and zlib as almost any error
        raise ValueError(str(error) or type(error).__name__) from error


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    name = member.filename.removesuffix(".npy")
    if name not in _FIELDS:
        raise ValueError(f"a policy has no field {name[:40]!r}")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"field {name!r} is compressed in a way that numpy does not write")
    stream = io.BytesIO(archive.read(member))
    version = np.lib.format.read_magic(stream)
    header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in header:
        raise ValueError(f"field {name!r} has version {version} of numpy's format")
    shape, _, dtype = header[version](stream)
    rest = member.file_size - stream.tell()
    if dtype.kind not in "fiuU" or min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != rest:
        raise ValueError(f"field {name!r} declares {dtype}{list(shape)} and has {rest} bytes")
    stream.seek(0)
    return np.lib.format.read_array(stream, allow_pickle=False)


def _json(saved: dict[str, np.ndarray], name: str) -> dict[str, Any]:
    if name not in saved or saved[name].shape != () or saved[name].dtype.kind != "U":
        raise ValueError(f"field {name!r} is missing or no text")
    found = json.loads(str(saved[name]))
    if not isinstance(found, dict):
        raise ValueError(f"field {name!r} is no JSON object")
    return found


def _first_format(provenance: dict[str, Any]) -> dict[str, Any]:
    """What files without the field `format` say of themselves, all of which end in a tanh."""
    known = config if isinstance(config := provenance.get("config"), dict) else {}
    return {name: str(known.get(name, "")) for name in ("algorithm", "task")} | {"squash": "tanh"}


def _policy(saved: dict[str, np.ndarray]) -> TrainedPolicy:
    """The policy of a file.

    Raises:
      ValueError: if the fields describe none.
    """
    provenance = _json(saved, "provenance")
    about = _about(saved) if "format" in saved else _first_format(provenance)
    count = sum(name.startswith("kernel_") for name in saved)
    for name in _LAYERS:
        if (name in saved) != (int(name.split("_")[1]) < max(count, 1)):
            raise ValueError(f"field {name!r} is {'one too many' if name in saved else 'missing'}")
    policy = TrainedPolicy(
        kernels=tuple(saved[f"kernel_{i}"] for i in range(count)),
        biases=tuple(saved[f"bias_{i}"] for i in range(count)),
        provenance=provenance,
        **{name: about[name] for name in ("algorithm", "task", "squash")},
        mean=saved.get("mean"),
        deviation=saved.get("deviation"),
    )
    if problem := _problem(policy) or _misdeclared(policy, about):
        raise ValueError(problem)
    return policy


def _about(saved: dict[str, np.ndarray]) -> dict[str, Any]:
    """What a file says of itself."""
    if saved["format"].shape != () or saved["format"].dtype.kind not in "iu":
        raise ValueError("field 'format' is no whole number")
    if (version := int(saved["format"])) != FORMAT:
        raise ValueError(f"its format is {version}, this version of rankq_jax reads 1 and {FORMAT}")
    about = _json(saved, "about")
    for name, kind in _ABOUT.items():
        if type(about.get(name)) is not kind:
            raise ValueError(f"field 'about' does not say {name!r}")
    return about


def _misdeclared(policy: TrainedPolicy, about: dict[str, Any]) -> str:
    """Which size is another one than the file says; empty if none is."""
    for name in ("observation_size", "action_size"):
        if getattr(policy, name) != about.get(name, getattr(policy, name)):
            return f"field 'about' says {name} {about[name]}, the kernels {getattr(policy, name)}"
    return ""


def _weights(policy: TrainedPolicy) -> dict[str, np.ndarray]:
    """Every array of a policy, by the name of its field."""
    arrays = {f"kernel_{i}": kernel for i, kernel in enumerate(policy.kernels)}
    arrays |= {f"bias_{i}": bias for i, bias in enumerate(policy.biases)}
    statistics = {"mean": policy.mean, "deviation": policy.deviation}
    return arrays | {name: array for name, array in statistics.items() if array is not None}


def _problem(policy: TrainedPolicy) -> str:
    """Why a policy cannot act; empty if it can."""
    if policy.squash not in SQUASHES:
        return f"squash {policy.squash[:40]!r} is none of {', '.join(SQUASHES)}"
    if not 0 < len(policy.kernels) == len(policy.biases) <= MOST_LAYERS:
        return f"it has {len(policy.kernels)} kernels and {len(policy.biases)} biases"
    if (policy.mean is None) != (policy.deviation is None):
        return "of 'mean' and 'deviation' it has one without the other"
    for name, array in _weights(policy).items():
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
