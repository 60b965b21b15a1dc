"""The sizes of a vision-language-action policy."""

from typing import Annotated, NamedTuple

from rankq_jax.bounds import OneOf
from rankq_jax.networks.mlp import FLOAT32, Arithmetic

IMAGE, STATE, INSTRUCTION, PROPRIO = "image", "state", "instruction", "proprio"  # arrays of an observation
READOUTS = ("flat", "mean", "last")
ReadoutName = Annotated[str, OneOf(READOUTS)]
ABSOLUTE, RELATIVE = "absolute", "relative"  # what critics see of an action, see `features`
CriticActions = Annotated[str, OneOf((ABSOLUTE, RELATIVE))]


class Stage(NamedTuple):
    """One convolution of the stem.

    Attributes:
      kernel: rows and columns that it sees.
      stride: of its windows, which do not overlap where it is the kernel.
      filters: that it returns.
    """

    kernel: int
    stride: int
    filters: int


class VlaSizes(NamedTuple):
    """What a preset fixes; its parameters are a function of this and of the observation.

    Attributes:
      image: rows and columns of the image; None: the observation has a vector `state` in its place.
      stem: what makes tokens of an image.
      state_tokens: that a state becomes where there is no image.
      words: longest instruction, in tokens.
      vocabulary: number of words; 0 is none.
      width: of the prefix's tokens.
      mlp: width of the hidden layer of the prefix's feed-forward layers.
      depth: L, layers of both transformers.
      heads: of the queries of both; keys and values have one.
      head_dim: d, of queries, keys and values.
      expert_width: of the tokens of the action expert.
      expert_mlp: width of its hidden layers.
      readout: what the transformer's tokens become for others, see `Backbone`.
      token_readout: numbers that each token of the image or state gives to a flat readout.
      flat_readout: H, numbers of a flat readout; others have W, those of a token.
      chunk: C, steps of an action.
      step_size: numbers of a step.
      proprio: numbers of the robot's own state.
      arithmetic: of the matrix products, see `mlp.Arithmetic`.
    """

    image: tuple[int, int] | None
    stem: tuple[Stage, ...] = ()
    state_tokens: int = 4
    words: int = 12
    vocabulary: int = 64
    width: int = 64
    mlp: int = 128
    depth: int = 2
    heads: int = 2
    head_dim: int = 32
    expert_width: int = 48
    expert_mlp: int = 96
    readout: ReadoutName = "flat"
    token_readout: int = 8
    flat_readout: int = 128
    chunk: int = 4
    step_size: int = 7
    proprio: int = 7
    arithmetic: Arithmetic = FLOAT32

    @property
    def action_size(self) -> int:
        """The numbers of an action."""
        return self.chunk * self.step_size
