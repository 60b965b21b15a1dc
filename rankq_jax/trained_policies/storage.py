"""Exported policies as files: written all or nothing, and read without trusting them."""

import contextlib
import io
import json
import math
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rankq_jax import files
from rankq_jax.errors import InputError, one_line
from rankq_jax.trained_policies import encoders
from rankq_jax.trained_policies.policies import MOST_LAYERS, TrainedPolicy, problem_of, weights_of

FORMAT = 2  # 1 had no field `format`, and neither sizes nor statistics
WITH_ENCODER = 3  # as 2, with an encoder
MOST_BYTES = 1 << 26  # of a file, and of what it declares: 16 million weights
MOST_MEMBERS = 100
PARAMETERS = "parameters/"  # begins the names of fields of files of weights
_ABOUT = {"algorithm": str, "task": str, "squash": str, "observation_size": int, "action_size": int}
_LAYERS = [f"{part}_{index}" for index in range(MOST_LAYERS) for part in ("kernel", "bias")]
_FIELDS = ("format", "about", "provenance", "mean", "deviation", *_LAYERS, *encoders.FIELDS)


class Foreign(ValueError):
    """A file is something else than it was read as."""


def save_policy(policy: TrainedPolicy, path: Path) -> None:
    """Writes a policy, all or nothing, that `load_policy` can read.

    Raises:
      InputError: if it has more than a file may hold.
      ValueError: if its arrays do not fit together.
      OSError: if the file cannot be written; nothing is left of it.
    """
    if problem := problem_of(policy):
        raise ValueError(problem)
    about = {name: getattr(policy, name) for name in _ABOUT}
    about |= {} if policy.encoder is None else {"observation": encoders.declared(policy.encoder)}
    version = FORMAT if policy.encoder is None else WITH_ENCODER
    arrays: dict[str, Any] = {"format": version, **weights_of(policy)}
    arrays |= {"about": json.dumps(about), "provenance": json.dumps(policy.provenance)}
    if too_much := _too_much(policy, arrays):
        raise InputError(f"{path}: the policy has {too_much}; train a smaller one.")
    with files.atomic(path) as file:
        np.savez_compressed(file, **arrays)


def _too_much(policy: TrainedPolicy, arrays: dict[str, Any]) -> str:
    """What a policy has more of than `load_policy` takes, in words; empty if nothing."""
    entries = () if policy.encoder is None else policy.encoder.entries
    convolutions = [len(entry.pixels.kernels) for entry in entries if entry.pixels is not None]
    for what, number, most in (
        ("observations of its encoder", len(entries), encoders.MOST_ENTRIES),
        ("convolutions of an image", max(convolutions, default=0), encoders.MOST_CONVOLUTIONS),
        ("fields", len(arrays), MOST_MEMBERS),
        ("bytes", sum(128 + np.asarray(array).nbytes for array in arrays.values()), MOST_BYTES),
    ):
        if number > most:
            return f"{number} {what}, {most} at most are read"
    return ""


def load_policy(path: Path | str) -> TrainedPolicy:
    """Reads an exported policy. Nothing in the file is executed, and no more is read than it may declare.

    Raises:
      InputError: if there is no such file, or it is damaged, of another format or no policy.
    """
    with reading(path):
        content = content_of(Path(path))
        return _policy(arrays_in(content, _problem_of_name, MOST_MEMBERS))


def _problem_of_name(name: str) -> str:
    if name.startswith(PARAMETERS):
        return "it holds parameters of networks; load_weights reads them"
    return "" if name in _FIELDS else f"a policy has no field {name[:40]!r}"


@contextlib.contextmanager
def reading(path: Path | str, kind: str = "exported policy", of: str = "") -> Iterator[None]:
    """Inside, a file is read; what is wrong with it ends in one line that names it.

    Args:
      path: of the file.
      kind: what the file should be.
      of: what `rankq export` writes such files of, where that is not everything.

    Raises:
      InputError: if it cannot be read, or a field of it is none.
    """
    try:
        yield
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}); check the path.") from error
    except Foreign as error:
        remedy = f"give one that `rankq export` has written{of and f' of {of}'}"
        raise InputError(f"{path}: is no {kind} ({one_line(error)[:200]}); {remedy}.") from error
    except (ValueError, RecursionError) as error:
        reason = one_line(error)[:200]
        raise InputError(f"{path}: fields cannot be read ({reason}); export the policy again.") from error


def content_of(path: Path) -> bytes:
    """The bytes of a file, whose number is looked at before they are read.

    Raises:
      Foreign: if it has too many.
      OSError: if it cannot be read.
    """
    if (size := path.stat().st_size) > MOST_BYTES:
        raise Foreign(f"it has {size} bytes, {MOST_BYTES} at most are a policy")
    return path.read_bytes()


def arrays_in(content: bytes, problem_of_name: Callable[[str], str], most: int) -> dict[str, np.ndarray]:
    """The fields of a file, whose declared sizes are looked at before anything is unpacked.

    Args:
      content: of the file.
      problem_of_name: why a file has no field of a name; empty if it can have it.
      most: fields that it may have.

    Raises:
      Foreign: if the bytes are a file of something else.
      ValueError: if they are damaged.
    """
    if not content.startswith(b"PK"):
        raise Foreign("it is not a zip file, as each .npz is")
    if content.count(b"PK\x01\x02") > most:  # entries of the directory of a zip file
        raise ValueError(f"it has more than {most} fields")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            if sum(member.file_size for member in members) > MOST_BYTES:
                raise Foreign(f"it declares more than {MOST_BYTES} bytes")
            names = [member.filename.removesuffix(".npy") for member in members]
            if problem := next(filter(None, map(problem_of_name, names)), ""):
                raise Foreign(problem)
            return {name: _array(archive, it, name) for name, it in zip(names, members, strict=True)}
    except ValueError:
        raise
    except Exception as error:  # damaged bytes come out of zipfile and zlib as almost any error
        raise ValueError(str(error) or type(error).__name__) from error


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str) -> np.ndarray:
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


def json_of(saved: Mapping[str, np.ndarray], name: str) -> dict[str, Any]:
    """The JSON object of a field.

    Raises:
      ValueError: if it has none.
    """
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
    provenance = json_of(saved, "provenance")
    about = _about(saved) if "format" in saved else _first_format(provenance)
    count = sum(name.startswith("kernel_") for name in saved)
    for name in _LAYERS:
        if (name in saved) != (int(name.split("_")[1]) < max(count, 1)):
            raise ValueError(f"field {name!r} is {'one too many' if name in saved else 'missing'}")
    encoded = "format" in saved and int(saved["format"]) == WITH_ENCODER
    policy = TrainedPolicy(
        kernels=tuple(saved[f"kernel_{i}"] for i in range(count)),
        biases=tuple(saved[f"bias_{i}"] for i in range(count)),
        provenance=provenance,
        **{name: about[name] for name in ("algorithm", "task", "squash")},
        mean=saved.get("mean"),
        deviation=saved.get("deviation"),
        encoder=encoders.read(about.get("observation"), saved) if encoded else None,
    )
    unknown = sorted(set(saved) & set(encoders.FIELDS) - set(weights_of(policy)))
    if unknown:
        raise ValueError(f"field {unknown[0]!r} is one too many")
    if problem := problem_of(policy) or _misdeclared(policy, about):
        raise ValueError(problem)
    return policy


def _about(saved: dict[str, np.ndarray]) -> dict[str, Any]:
    """What a file says of itself."""
    if saved["format"].shape != () or saved["format"].dtype.kind not in "iu":
        raise ValueError("field 'format' is no whole number")
    if (version := int(saved["format"])) not in (FORMAT, WITH_ENCODER):
        raise ValueError(f"its format is {version}, this version of rankq_jax reads 1 to {WITH_ENCODER}")
    about = json_of(saved, "about")
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
