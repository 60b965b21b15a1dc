"""Observations of this library as those of a pi0 model: images, the robot's own state, and the prompt."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rankq_jax.errors import InputError
from rankq_jax.networks.vla.sizes import IMAGE, INSTRUCTION, PROPRIO

CAMERAS = ("base_0_rgb", "left_wrist_0_rgb", "right_wrist_0_rgb")  # of openpi, in its order
SIDE = 224  # rows and columns of an image
BLACK = -1.0
PROMPT, PROMPT_MASK = "tokenized_prompt", "tokenized_prompt_mask"
Tokenizer = Callable[[str], tuple[Any, Any]]  # text -> tokens [L], which of them there are [L]


class Prompts(NamedTuple):
    """The instructions of a task, as this library and as the model numbers their words.

    Attributes:
      words: `[n, T]` int32, as in the observation.
      tokens: `[n, L]` int32, of the model.
      mask: `[n, L]` bool, which tokens there are.
    """

    words: np.ndarray
    tokens: np.ndarray
    mask: np.ndarray


class Look(NamedTuple):
    """Which arrays of an observation a pi0 model sees.

    Attributes:
      cameras: `{camera of openpi: array of the observation}`; the others are masked.
      state: array with the robot's own state.
      instruction: array with the numbers of words.
      prompts: what instructions become; None: the observation has `tokenized_prompt` and
        `tokenized_prompt_mask`, as pi0.5 needs, whose prompt tells the state.
      masked_cameras: whether cameras that are not used are black images whose tokens are masked, as in
        openpi. Without them the action is the same, and a prefix has 256 tokens less for each.
    """

    cameras: Mapping[str, str] = {CAMERAS[0]: IMAGE}
    state: str = PROPRIO
    instruction: str = INSTRUCTION
    prompts: Prompts | None = None
    masked_cameras: bool = True


def prompts(texts: Sequence[str], words: Callable[[str], Any], tokenizer: Tokenizer) -> Prompts:
    """The table of a task's instructions.

    Args:
      texts: the instructions.
      words: text -> numbers of the words `[T]`, e.g. `rankq_jax.envs.tabletop.instructions.tokenize`.
      tokenizer: of the model, e.g. `PaligemmaTokenizer().tokenize` of openpi.

    Raises:
      InputError: if there is no text, or two have the same words and different tokens.
    """
    if not texts:
        raise InputError("prompts: there is no text; give the instructions of the task.")
    own = np.stack([np.asarray(words(text), np.int32) for text in texts])
    made = [tokenizer(text) for text in texts]
    tokens = np.stack([np.asarray(one, np.int32) for one, _ in made])
    mask = np.stack([np.asarray(there, bool) for _, there in made])
    for i, row in enumerate(own):
        first = int(np.argmax((own == row).all(axis=1)))
        if (tokens[first] != tokens[i]).any():
            raise InputError(
                f"prompts: {texts[first]!r} and {texts[i]!r} have the same words and different tokens; "
                "leave one out."
            )
    return Prompts(own, tokens, mask)


def picture(image: jax.Array) -> jax.Array:
    """`[B, R, C, 3] -> [B, 224, 224, 3]` in [-1, 1], not distorted: the rest is black.

    uint8 in [0, 255] is scaled, float32 is in [-1, 1] already.
    """
    scaled = image.astype(jnp.float32)
    scaled = scaled / 127.5 - 1.0 if image.dtype == jnp.uint8 else scaled
    rows, columns = image.shape[1:3]
    if (rows, columns) == (SIDE, SIDE):
        return scaled
    ratio = max(rows, columns) / SIDE  # and its rounding, as in openpi
    size = tuple(max(int(side / ratio), 1) for side in (rows, columns))
    scaled = jax.image.resize(scaled, (image.shape[0], *size, 3), "linear").clip(-1.0, 1.0)
    above, left = ((SIDE - side) // 2 for side in size)
    margins = ((0, 0), (above, SIDE - size[0] - above), (left, SIDE - size[1] - left), (0, 0))
    return jnp.pad(scaled, margins, constant_values=BLACK)


def images(observation: Any, look: Look) -> tuple[dict[str, jax.Array], dict[str, jax.Array]]:
    """The image `[B, 224, 224, 3]` of each camera, and whether it is one `[B]`, in openpi's order."""
    seen = {camera: picture(observation[name]) for camera, name in look.cameras.items()}
    like = next(iter(seen.values()))
    black, rows = jnp.full_like(like, BLACK), like.shape[0]
    names = CAMERAS if look.masked_cameras else [camera for camera in CAMERAS if camera in seen]
    there = {camera: jnp.full((rows,), camera in seen) for camera in names}
    return {camera: seen.get(camera, black) for camera in names}, there


def state(observation: Any, look: Look, size: int) -> jax.Array:
    """`[B, size]`: the robot's own state, filled up with zeros."""
    own = observation[look.state].astype(jnp.float32)
    return jnp.pad(own, ((0, 0), (0, size - own.shape[1])))


def prompt(observation: Any, look: Look) -> tuple[jax.Array, jax.Array]:
    """`[B, L], [B, L]`: tokens and which there are; none where an instruction is not in the table."""
    if look.prompts is None:
        return observation[PROMPT], observation[PROMPT_MASK]
    same = (observation[look.instruction][:, None] == look.prompts.words[None]).all(axis=-1)
    row = jnp.argmax(same, axis=1)
    known = same.any(axis=1, keepdims=True)
    return jnp.asarray(look.prompts.tokens)[row], jnp.asarray(look.prompts.mask)[row] & known


def refuse_instructions(observation: Any, look: Look) -> None:
    """Refuses observations with an instruction that is not in the table.

    Raises:
      ValueError: names the row and the numbers of its words.
    """
    if look.prompts is None:
        return
    given = np.asarray(observation[look.instruction])
    unknown = ~(given[:, None] == look.prompts.words[None]).all(axis=-1).any(axis=1)
    if unknown.any():
        row = int(np.argmax(unknown))
        raise ValueError(
            f"the observation's {look.instruction} in row {row} is {given[row].tolist()}, which is none of "
            f"the {len(look.prompts.words)} instructions that have a prompt"
        )
