"""A pi0 checkpoint of openpi as a policy: what it would take is told before anything is allocated."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp

from rankq_jax.bounds import Count, Interval, OneOf, Optional, Positive, Switch, Whole, bound_of, checked
from rankq_jax.checkpoints import openpi as checkpoint
from rankq_jax.errors import InputError
from rankq_jax.networks import lora
from rankq_jax.networks.encoded import ENCODER
from rankq_jax.networks.flows import HEAD
from rankq_jax.networks.openpi import Backend, Look, parted, pi0_policy, whole
from rankq_jax.trained_policies.normalization import FILE, Statistics, read_statistics
from rankq_jax.training.memory import Part, available, bytes_of, in_words, on_device
from rankq_jax.types import Params, Policy

BFLOAT16, FLOAT32 = "bfloat16", "float32"
Type = Annotated[str, OneOf((BFLOAT16, FLOAT32))]
_positive = bound_of(Positive)
assert _positive is not None
MaybePositive = Annotated[Any, Optional(_positive)]
RankOrNone = Annotated[int, Interval(0, lora.MOST, integer=True)]
MOMENTS = 2  # of Adam, float32
RANKS = "lora_rank"


class Pi0(NamedTuple):
    """A pi0 checkpoint that was read.

    Attributes:
      policy: of flat chunks; with adapters where a rank was asked for.
      params: of the policy.
      statistics: of `actions` and `state`, see `trained_policies.normalization`; empty where there are none.
      memory: what it takes, estimated before it was read.
    """

    policy: Policy
    params: Params
    statistics: dict[str, Statistics]
    memory: list[Part]


def _cast(tree: Any, dtype: str) -> Any:
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, jnp.dtype(dtype)), tree)


def estimate(
    backend: Backend,
    policy: Policy,
    observation: Any,
    *,
    backbone_type: str = BFLOAT16,
    observations: int = 0,
    lora_rank: int = 0,
    training: bool = True,
) -> list[Part]:
    """What a pi0 policy takes, from shapes alone.

    Args:
      backend: the model.
      policy: of its chunks, without adapters.
      observation: of the task's specification, `TaskSpec.observation`.
      backbone_type: of the parameters of the backbone; those of the head are float32.
      observations: whose keys, values and readout are kept.
      lora_rank: of adapters of the head; 0: the head itself is trained.
      training: whether there are gradients and an optimizer.
    """
    parts = parted(backend.shapes)
    params = {ENCODER: _cast(parts[ENCODER], backbone_type), HEAD: _cast(parts[HEAD], FLOAT32)}
    assert policy.flow is not None
    one = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((1, *leaf.shape), leaf.dtype), observation)
    prefix = bytes_of(jax.eval_shape(policy.flow.encode, params, one))
    head = bytes_of(params[HEAD])
    trained, what = head, "the head"
    if lora_rank:
        key = jax.eval_shape(jax.random.key, 0)
        made = jax.eval_shape(lambda key: lora.init(key, params[HEAD], lora_rank), key)
        trained, what = bytes_of(made), "the adapters"
    found = [
        Part("the parameters of the backbone", bytes_of(params[ENCODER]), ("backbone_type",)),
        Part("the parameters of the head", head, ()),
        Part("keys, values and readout of an observation", prefix, ()),
        Part("those of the observations that are kept", observations * prefix, ("observations",)),
    ]
    if lora_rank:
        found.append(Part("the adapters and the head with them", trained + head, (RANKS,)))
    if training:
        size = (1 + MOMENTS) * trained
        found.append(Part(f"gradient and optimizer of {what}", size, (RANKS,) if lora_rank else ()))
    return found


def told(parts: list[Part]) -> str:
    """The parts of an estimate and their sum, one line each."""
    lines = [f"{in_words(part.size):>8}  {part.what}" for part in parts]
    return "\n".join([*lines, f"{in_words(sum(part.size for part in parts)):>8}  in all"])


def refuse_too_large(parts: list[Part], folder: Path | str, room: float, values: dict[str, Any]) -> None:
    """Refuses what does not fit.

    Args:
      parts: the estimate.
      folder: of the checkpoint, for the message.
      room: bytes that are there.
      values: of the arguments that parts grow with.

    Raises:
      InputError: names the largest part and the arguments that it grows with.
    """
    total = sum(part.size for part in parts)
    if total <= room:
        return
    part = max(parts, key=lambda part: part.size)
    fields = ", ".join(f"{name}={values[name]}" for name in part.fields)
    grows = f" ({fields})" if fields else ""
    raise InputError(
        f"{folder}: {part.what} would take {in_words(part.size)}{grows}, all of it {in_words(total)}, and "
        f"{in_words(room)} are available; choose less, or a larger machine."
    )


@checked()
def load_pi0(
    folder: Path | str,
    backend: Backend,
    look: Look,
    observation: Any,
    *,
    chunk: Count = 4,
    step_size: Count = 7,
    steps: Count = 10,
    asset: str | None = None,
    backbone_type: Type = BFLOAT16,
    observations: Whole = 0,
    lora_rank: RankOrNone = 0,
    lora_alpha: MaybePositive = None,
    training: Switch = True,
    seed: int = 0,
    tell: Callable[[str], None] = print,
) -> Pi0:
    """Reads a pi0 checkpoint of openpi as a policy.

    Shapes are compared and memory is estimated before anything large is allocated.

    Args:
      folder: of a step, or of a run, whose newest step is taken.
      backend: the model, e.g. `networks.openpi.openpi_backend("pi0")`.
      look: what the model sees of an observation.
      observation: of the task's specification, `TaskSpec.observation`.
      chunk: C, steps of an action.
      step_size: S, numbers of a step.
      steps: K, Euler steps of an action.
      asset: whose statistics are read where the checkpoint has those of several robots.
      backbone_type: of the parameters of the backbone, which is not trained; those of the head are float32.
      observations: how many are kept as keys, values and readout, for the estimate.
      lora_rank: of adapters of the head; 0: there are none.
      lora_alpha: see `lora.merge`; None: the rank, so that the factor is 1.
      training: whether the estimate has gradients and an optimizer.
      seed: of the adapters.
      tell: what is called with the estimate.

    Raises:
      InputError: if the checkpoint is none, leaves are missing or have other shapes, memory does not suffice,
        or the statistics are damaged.
      ValueError: if a value is out of bounds.
    """
    step = checkpoint.step_folder(folder)
    checkpoint.refuse_others(step, backend.shapes, checkpoint.stored(step))
    policy = pi0_policy(backend, look, chunk, step_size, steps)
    given: dict[str, Any] = {
        "backbone_type": backbone_type, "observations": observations, "lora_rank": lora_rank
    }  # fmt: skip
    parts = estimate(backend, policy, observation, training=training, **given)
    tell(told(parts))
    device = jax.local_devices()[0]
    refuse_too_large(parts, step, _room(device), given)
    statistics = read_statistics(step, asset) if asset or list((step / "assets").rglob(FILE)) else {}
    halves = parted(backend.shapes)
    wanted = {ENCODER: _cast(halves[ENCODER], backbone_type), HEAD: _cast(halves[HEAD], FLOAT32)}
    params = parted(checkpoint.read(step, whole(wanted, backend.shapes), device))
    if not lora_rank:
        return Pi0(policy, params, statistics, parts)
    alpha = lora_rank if lora_alpha is None else lora_alpha
    params = lora.attach(jax.random.key(seed), params, lora_rank)
    return Pi0(lora.adapted(policy, lora_rank, alpha), params, statistics, parts)


def _room(device: jax.Device) -> float:
    return available() if device.platform == "cpu" else on_device(device)
