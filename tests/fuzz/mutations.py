"""What can be wrong with the arrays of a file: each takes a generator and arrays, and returns others."""

import numpy as np


def _ends(arrays):
    """The key by which the file marks where episodes end."""
    for key in ("timeouts", "truncations", "terminals", "terminations"):
        if key in arrays and np.asarray(arrays[key]).any():
            return key
    return None


def _but(arrays, **changed):
    return {**arrays, **{key: value for key, value in changed.items() if value is not None}}


def without_a_key(random, arrays):
    gone = random.choice(sorted(arrays))
    return {key: array for key, array in arrays.items() if key != gone}


def without_ends(random, arrays):
    key = _ends(arrays)
    return {other: array for other, array in arrays.items() if other != key}


def without_some_ends(random, arrays):
    key = _ends(arrays)
    if key is None:
        return arrays
    return {**arrays, key: arrays[key] & (random.random(len(arrays[key])) < 0.5)}


def shifted_ends(random, arrays):
    key = _ends(arrays)
    return (
        arrays if key is None else {**arrays, key: np.roll(arrays[key], int(random.choice([-2, -1, 1, 2])))}
    )


def everything_ends(random, arrays):
    key = _ends(arrays)
    return arrays if key is None else {**arrays, key: np.ones(len(arrays[key]), bool)}


def rolled_next(random, arrays):
    """Next observations are those of the following row, whichever episode that belongs to."""
    return {**arrays, "next_observations": np.roll(arrays["observations"], -1, axis=0)}


def other_names(random, arrays):
    names = {"terminals": "terminations", "timeouts": "truncations"}
    return {names.get(key, key): array for key, array in arrays.items()}


def further_flag(random, arrays):
    """One more flag of another format, which agrees or does not."""
    rows = len(arrays["observations"])
    ends = np.zeros(rows, bool)
    for key in ("terminals", "timeouts"):
        ends |= np.asarray(arrays.get(key, False), bool)
    name = random.choice(
        ["dones", "is_last", "terminations", "truncations", "is_first", "episode_ends", "masks"]
    )
    told = np.roll(ends, int(random.integers(-1, 2)))
    if name == "episode_ends":
        told = np.flatnonzero(told) + 1
    return {**arrays, name: ~told if name == "masks" else told}


def rewards_zero(random, arrays):
    return _but(arrays, rewards=np.zeros(len(arrays["rewards"])) if "rewards" in arrays else None)


def rewards_least(random, arrays):
    return _but(arrays, rewards=np.full(len(arrays["rewards"]), -1.0) if "rewards" in arrays else None)


def rewards_shuffled(random, arrays):
    return _but(arrays, rewards=random.permutation(arrays["rewards"]) if "rewards" in arrays else None)


def flags_constant(random, arrays):
    return {**arrays, "infos/success": np.full(len(arrays["observations"]), bool(random.integers(2)))}


def flags_inverted(random, arrays):
    return _but(arrays, **{"infos/success": ~arrays["infos/success"] if "infos/success" in arrays else None})


def without_flags(random, arrays):
    return {key: array for key, array in arrays.items() if key != "infos/success"}


def wrong_type(random, arrays):
    key = random.choice(sorted(arrays))
    kind = random.choice(["int8", "complex64", "S4", "float16", "uint64"])
    with np.errstate(all="ignore"):
        return {**arrays, key: np.asarray(arrays[key]).astype(kind)}


def wrong_shape(random, arrays):
    key = random.choice(sorted(arrays))
    array = np.asarray(arrays[key])
    made = [array[:-1], array[..., None], array[None], array.T, array[:0], array.ravel(), array[0]]
    return {**arrays, key: made[int(random.integers(len(made)))]}


def bad_number(random, arrays):
    key = random.choice([key for key in arrays if np.asarray(arrays[key]).dtype.kind == "f"])
    array = np.array(arrays[key])
    array.flat[int(random.integers(array.size))] = random.choice([np.nan, np.inf, -np.inf, 1e30])
    return {**arrays, key: array}


def nothing(random, arrays):
    return arrays


ALL = (
    nothing, without_a_key, without_ends, without_some_ends, shifted_ends, everything_ends, rolled_next,
    other_names, further_flag, rewards_zero, rewards_least, rewards_shuffled, flags_constant, flags_inverted,
    without_flags, wrong_type, wrong_shape, bad_number,
)  # fmt: skip
