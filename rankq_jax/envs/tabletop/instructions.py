"""What the arm is told in words: a fixed vocabulary, and the sentences of each task."""

import numpy as np

from rankq_jax.errors import InputError, suggestion

LENGTH = 12  # words of an instruction at most
# The place of a word is its number: words are appended only. The first one fills up.
VOCABULARY = (
    "", "put", "the", "carrot", "on", "plate", "stack", "green", "cube", "yellow", "spoon", "in", "bowl",
    "place", "onto", "into", "move", "set", "top", "of", "drop", "lay", "pick", "up", "and", "it", "a",
    "block", "dish", "inside", "over", "to", "orange", "blue", "red", "white", "with", "from", "table",
)  # fmt: skip
# By task and by which thing is moved: the instruction and its paraphrases.
SENTENCES: dict[str, tuple[tuple[str, ...], ...]] = {
    "carrot-on-plate": (
        (
            "put the carrot on the plate",
            "place the carrot onto the plate",
            "move the orange carrot to the white plate",
        ),
    ),
    "cube-stacking": (
        (
            "stack the green cube on the yellow cube",
            "put the green block on top of the yellow block",
            "place the green cube onto the yellow cube",
        ),
        (
            "stack the yellow cube on the green cube",
            "put the yellow block on top of the green block",
            "place the yellow cube onto the green cube",
        ),
    ),
    "spoon-in-bowl": (
        (
            "put the spoon in the bowl",
            "place the spoon into the bowl",
            "lay the blue spoon inside the red bowl",
        ),
    ),
}


def tokenize(text: str) -> np.ndarray:
    """`[12]` int32: the numbers of the words of an instruction, filled up with 0.

    Case and punctuation at the end of words do not matter.

    Raises:
      InputError: names a word that is not known, or says that there are too many.
    """
    words = [word.strip(".,!?;:") for word in text.lower().split()]
    words = [word for word in words if word]
    if not 1 <= len(words) <= LENGTH:
        raise InputError(f"instruction {text!r} has {len(words)} words; write 1 to {LENGTH}.")
    found = np.zeros(LENGTH, np.int32)
    for i, word in enumerate(words):
        if word not in VOCABULARY:
            known = VOCABULARY[1:]
            raise InputError(f"instruction {text!r}: unknown word {word!r}.{suggestion(word, known)}")
        found[i] = VOCABULARY.index(word)
    return found


def tokens(setting: str) -> np.ndarray:
    """`[directions, phrases, 12]` int32: all instructions of a task."""
    return np.stack([[tokenize(phrase) for phrase in phrases] for phrases in SENTENCES[setting]])
