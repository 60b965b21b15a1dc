"""OGBench's layouts: without rewards, and relabeled for a single task as its loader returns it."""

from collections.abc import Mapping

import numpy as np

from rankq_jax.data.recording import Recording
from rankq_jax.data.sources import columns, observations, selection
from rankq_jax.data.sources.arrays import REQUIRED, recording
from rankq_jax.data.sources.selection import Wanted
from rankq_jax.data.sources.stores import Store
from rankq_jax.environments import SIMULATOR_STATE
from rankq_jax.types import Episodes

Arrays = Mapping[str, np.ndarray]

_KEYS = ("actions", "terminals", "valids", "rewards", "masks")


def fits(store: Store) -> bool:
    """Whether a store has no rewards, or masks beside ends: `terminals` are then ends of every kind."""
    names = set(store.names())
    if "masks" in names:
        return "terminals" in names and "timeouts" not in names
    # A file of another container that lacks its rewards is rather a damaged one of D4RL's schema.
    return store.container != "hdf5" and not {"rewards", "timeouts"} & names


def read(store: Store, wanted: Wanted) -> Recording:
    """The recording of a store of one of the layouts; its errors are theirs."""
    states = SIMULATOR_STATE if wanted.simulator_state else ()
    kept = [*_KEYS, *states]
    if wanted.like is None:
        arrays = selection.read(store, kept, wanted)
    else:
        arrays = store.read(observations.keys_with([*observations.FIELDS, *kept], wanted.like))
    make = single_task if "masks" in arrays else without_rewards
    return observations.recording(make, arrays, store.source, wanted.like)


def from_ogbench(arrays: Arrays, source: str) -> Episodes:
    """The episodes of `without_rewards`; its arguments and errors."""
    return without_rewards(arrays, source).episodes


def without_rewards(arrays: Arrays, source: str) -> Recording:
    """Episodes of OGBench's files: no rewards, and `terminals` at the end of every episode.

    The last row of an episode holds its final observation and is no transition. Read are the layout of
    the files, the compact one, which marks those rows by `valids`, and the one with `next_observations`.

    Args:
      arrays: by key: `observations [N, o]`, `actions [N, a]`, `terminals [N]`, optionally `valids [N]` or
        `next_observations [N, o]`, and simulator states.
      source: what messages begin with.

    Returns:
      Episodes that end by truncation, with rewards 0: the task that they are used for relabels them.

    Raises:
      InputError: names the source, the key and the first bad index.
    """
    marked = _ends(arrays, source)
    final = marked
    if "valids" in arrays:
        final = _invalid(arrays, source, marked)
    nothing = np.zeros(len(marked))
    same = {key: array for key, array in arrays.items() if key not in ("terminals", "valids")}
    read = recording({**same, "rewards": nothing, "terminals": nothing, "timeouts": final}, source)
    return read._replace(origin=read.origin._replace(rewarded=False))


def single_task(arrays: Arrays, source: str) -> Recording:
    """Episodes of OGBench's arrays for a single task, with rewards, and masks that are 0 at a success.

    Its `terminals` are ends of episodes, never of the task. Terminals are where the masks are 0, also within
    an episode, because OGBench goes on collecting after a success.

    Args:
      arrays: as `without_rewards`, and `rewards [N]`, `masks [N]`.
      source: what messages begin with.

    Raises:
      InputError: names the source, the key and the first bad index; also where masks and rewards contradict
        each other, as those of another layout do.
    """
    if "rewards" not in arrays:
        raise columns.refusal(source, "rewards", "is missing", "store it beside the masks")
    last = _ends(arrays, source)
    reached = ~columns.flags(source, "masks", arrays["masks"])
    reward = columns.numbers(source, "rewards", arrays["rewards"])
    columns.check_lengths(source, {"terminals": last, "masks": reached, "rewards": reward}, "terminals")
    wrong = reached & (reward != reward.max()) | ~reached & (reward == reward.max()) & reached.any()
    if wrong.any():
        row = int(np.argmax(wrong))
        raise columns.refusal(
            source,
            "masks",
            f"is {int(~reached[row])} at index {row}, where the reward is {reward[row]:g} and the highest is "
            f"{reward.max():g}: OGBench's are 0 just there",
            "store terminals and timeouts in place of the masks",
        )
    kept = np.ones(len(last), bool)
    same = {key: array for key, array in arrays.items() if key not in ("masks", "valids")}
    if "next_observations" not in arrays:
        kept = ~(_invalid(arrays, source, last) if "valids" in arrays else last)
        if not kept.any():
            raise columns.refusal(source, "terminals", "leaves no transition from index 0 on", "repair it")
        kept[-1] = False
        columns.vectors(source, "observations", arrays["observations"])
        following = np.roll(arrays["observations"], -1, axis=0)
        same["next_observations"] = following
        last = np.append(~kept[1:], True)
    number = np.append(0, np.cumsum(last[:-1]))
    flags = {"terminals": reached, "timeouts": last & ~reached, "episode_id": number}
    columns.check_lengths(source, {**same, **flags}, "rewards")
    return recording({key: array[kept] for key, array in {**same, **flags}.items()}, source)


def _ends(arrays: Arrays, source: str) -> np.ndarray:
    """`[N]` bool, the rows that `terminals` marks, beside as many observations."""
    for key in ("observations", "actions", "terminals"):
        if key not in arrays:
            raise columns.refusal(source, key, "is missing", f"store {', '.join(REQUIRED)}")
    marked = columns.flags(source, "terminals", arrays["terminals"])
    columns.vectors(source, "observations", arrays["observations"])
    columns.check_lengths(source, {"terminals": marked, "observations": arrays["observations"]}, "terminals")
    return marked


def _invalid(arrays: Arrays, source: str, marked: np.ndarray) -> np.ndarray:
    """`[N]` bool, the rows that are no step."""
    final = ~columns.flags(source, "valids", arrays["valids"])
    columns.check_lengths(source, {"terminals": marked, "valids": final}, "terminals")
    if (final & ~marked).any():
        row = int(np.argmax(final & ~marked))
        raise columns.refusal(source, "valids", f"is 0 at index {row}, 'terminals' too", "repair it")
    return final
