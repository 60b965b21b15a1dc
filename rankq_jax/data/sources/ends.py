"""The flags by which formats mark where episodes end. None of them is ignored."""

from collections.abc import Mapping

import numpy as np

from rankq_jax.data.sources import columns

Arrays = Mapping[str, np.ndarray]

# By the name that other formats and libraries use: what it is called here.
TERMINALS = ("terminations", "terminated", "is_terminal", "terminal")
TIMEOUTS = ("truncations", "truncated", "timeout", "infos/TimeLimit.truncated", "infos/timeouts")
EITHER = ("dones", "done", "dones_float", "is_last", "ends", "episode_terminals")
STARTS = ("is_first", "episode_starts")
NUMBERS = ("episode_ids", "episodes", "traj_ids", "traj_id", "trajectory_id")
LISTS = ("episode_ends", "meta/episode_ends", "episode_lengths", "traj_lengths")
NAMES = (*TERMINALS, *TIMEOUTS, *EITHER, *STARTS, *NUMBERS, *LISTS)

_JUMP = 1e-6  # between a next observation and the following row, within one episode
_REMEDY = "keep one of them, or store terminals, timeouts and next_observations"


def adopted(arrays: Arrays, source: str) -> dict[str, np.ndarray]:
    """`arrays` with `terminals` and `timeouts` under these names, where the file names them otherwise.

    Args:
      arrays: by key.
      source: what messages begin with.

    Raises:
      InputError: if a flag is no flag.
    """
    known = dict(arrays)
    if "masks" in known and "terminals" not in known:  # as jaxrl has them, 0 where nothing follows
        known["terminals"] = ~columns.flags(source, "masks", known["masks"])
    for ours, theirs in (("terminals", TERMINALS), ("timeouts", TIMEOUTS)):
        found = [name for name in theirs if name in known]
        if ours not in known and found:
            known[ours] = known[found[0]]
    either = [name for name in EITHER if name in known]
    if either and "terminals" in known and "timeouts" not in known:
        done = columns.flags(source, either[0], known[either[0]])
        terminal = columns.flags(source, "terminals", known["terminals"])
        columns.check_lengths(source, {either[0]: done, "terminals": terminal}, "terminals")
        known["timeouts"] = done & ~terminal
    elif either and "terminals" not in known:
        raise columns.refusal(
            source,
            either[0],
            "marks ends from index 0 on without saying whether the task or a time limit ended the episode",
            "store terminals and timeouts",
        )
    return known


def check(arrays: Arrays, source: str, terminal: np.ndarray, timeout: np.ndarray, last: np.ndarray) -> None:
    """Every further flag of the file agrees with what was read.

    The end of the file needs no flag. `valids` are 0 where a row is no step: such a row must be a timeout.

    Args:
      arrays: by key.
      source: what messages begin with.
      terminal: `[N]` bool.
      timeout: `[N]` bool.
      last: `[N]` bool, whether a row was taken for the last of its episode.

    Raises:
      InputError: names the flag and the first row at which it says something else.
    """
    for name in NAMES:
        if name not in arrays:
            continue
        if name in LISTS:
            said, wanted = _listed(source, name, arrays[name], len(last)), last
        elif name in NUMBERS:
            number = columns.numbers(source, name, arrays[name])
            said, wanted = np.append(number[1:] != number[:-1], True)[: len(number)], last
        else:
            flag = columns.flags(source, name, arrays[name])
            if name in STARTS:
                said, wanted = np.append(flag[1:], True)[: len(flag)], last
            else:
                said = flag
                wanted = terminal if name in TERMINALS else timeout if name in TIMEOUTS else last
        columns.check_lengths(source, {name: said, "terminals": terminal}, "terminals")
        _agree(source, name, said[:-1], wanted[:-1])
    if "masks" in arrays:
        dead = ~columns.flags(source, "masks", arrays["masks"])
        columns.check_lengths(source, {"masks": dead, "terminals": terminal}, "terminals")
        _agree(source, "masks", dead, terminal)
    if "valids" in arrays:
        invalid = ~columns.flags(source, "valids", arrays["valids"])
        columns.check_lengths(source, {"valids": invalid, "terminals": terminal}, "terminals")
        _agree(source, "valids", (invalid & ~timeout)[:-1], np.zeros(len(last) - 1, bool))


def jumps(observation: np.ndarray, following: np.ndarray) -> np.ndarray:
    """`[N - 1]` bool: whether a next observation is not the following row."""
    with np.errstate(invalid="ignore", over="ignore"):  # bad numbers are reported by `data.validate`
        return ~(np.abs(following[:-1] - observation[1:]) <= _JUMP).all(axis=1)


def _agree(source: str, name: str, said: np.ndarray, wanted: np.ndarray) -> None:
    other = said != wanted
    if other.any():
        row = int(np.argmax(other))
        problem = "ends an episode there" if said[row] else "does not end one"
        raise columns.refusal(
            source, name, f"at index {row} {problem}, unlike 'terminals' and 'timeouts'", _REMEDY
        )


def _listed(source: str, name: str, array: np.ndarray, rows: int) -> np.ndarray:
    number = columns.numbers(source, name, array)
    if "lengths" in name:
        number = np.cumsum(number)
    if len(number) == 0 or number[-1] != rows or (np.diff(number, prepend=0.0) < 1).any():
        raise columns.refusal(source, name, f"does not add up to {rows} steps at index 0", _REMEDY)
    if (number != np.floor(number)).any():
        raise columns.refusal(source, name, "is no whole number at index 0", _REMEDY)
    last = np.zeros(rows, bool)
    last[number.astype(np.int64) - 1] = True
    return last
