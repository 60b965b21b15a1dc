"""Rules of a recording: what a source returned, before anything is labeled."""

from collections.abc import Callable

import jax
import numpy as np

from rankq_jax.data.clipping import LIMIT, beyond
from rankq_jax.data.observations import apart, differing, named
from rankq_jax.data.rules.rule import Finding, Rule, blocks, first
from rankq_jax.data.rules.steps import Recorded, duration, jump
from rankq_jax.specs import TaskSpec, describe_array, describe_observation, entries

ACTION_TOLERANCE = 1e-6
SATURATED = 0.999  # of an action's largest magnitude
WALL_DEPTH = 0.1  # metres beyond a cell's border that still count as free: contacts are soft
WALL_SHARE = 1e-3  # of the rows that may lie deeper

CLIP = "set clip_actions to clip them, as Cal-QL and RLPD do"
NO_MAZE = "no maze"


def _shapes(recording: Recorded) -> Finding:
    plain = isinstance(recording.episodes.observation, np.ndarray)
    if recording.spec is not None and not (recording.flat and plain):
        return _shapes_of_arrays(recording, recording.spec)
    size, actions = recording.observation_size, recording.action_size
    for field, expected in {"observation": size, "action": actions, "next_observation": size}.items():
        found = getattr(recording.episodes, field).shape[1:]
        if found != (expected,):
            has = f"{found[0]} values" if len(found) == 1 else f"shape {found}"
            return Finding(
                False,
                f"{field}: {has} per step",
                f"field {field!r} has {has} per step where the task needs {expected}",
            )
    return Finding(True, f"{size} and {actions} numbers per step")


def _shapes_of_arrays(recording: Recorded, spec: TaskSpec) -> Finding:
    action = jax.ShapeDtypeStruct(spec.action.shape, np.float32)
    for field, needed in (
        ("observation", spec.observation), ("action", action), ("next_observation", spec.observation)
    ):  # fmt: skip
        found = entries(getattr(recording.episodes, field))
        for name, one in entries(needed).items():
            key = f"{field}/{name}" if name else field
            if name not in found:
                there = ", ".join(found) if set(found) != {""} else "one array"
                return Finding(
                    False,
                    f"{key}: is missing",
                    f"field {key!r} is missing ({there} is there), the task needs {describe_array(one)},",
                )
            if why := differing(found[name], one):
                return Finding(False, f"{key}: {why}", f"field {key!r} {why},")
    return Finding(True, describe_observation(spec.observation))


def _world(recording: Recorded) -> Finding:
    told, needed = recording.origin.world, recording.world
    common = [name for name in needed if name in told]
    for name in common:
        if told[name] != needed[name]:
            problem = f"field {name!r} is {told[name]!r} where the task has {needed[name]!r},"
            return Finding(False, f"{name}: {told[name]}", problem)
    if not common:
        return Finding(None, "not judged: neither the task nor the source needs to say")
    return Finding(True, ", ".join(f"{name}: {needed[name]}" for name in common))


def _finite(recording: Recorded) -> Finding:
    data = recording.episodes
    fields = {**named("observation", data.observation), "action": data.action, "reward": data.reward}
    fields |= named("next_observation", data.next_observation)
    for field, values in fields.items():
        if not np.issubdtype(values.dtype, np.inexact):
            continue
        flat = values.reshape(len(values), -1)
        row = first(len(flat), lambda rows, flat=flat: ~np.isfinite(flat[rows]).all(axis=1))  # type: ignore[misc]
        if row is not None:
            return Finding(False, f"{field}: row {row} is not", f"field {field!r} is NaN or infinite", row)
    return Finding(True, "all numbers are")


def _action_range(recording: Recorded) -> Finding:
    action, limit = recording.episodes.action, LIMIT + ACTION_TOLERANCE
    largest = float(max(action.max(initial=0.0), -action.min(initial=0.0)))
    measured = f"largest |a| = {largest:.6g}"
    if largest <= limit:
        return Finding(True, measured)
    count = sum(int(beyond(action[rows], ACTION_TOLERANCE).sum()) for rows in blocks(len(action)))
    row = first(len(action), lambda rows: beyond(action[rows], ACTION_TOLERANCE))
    share = f"{100 * count / len(action):.3g} % of the rows"
    problem = f"field 'action' lies outside [-1, 1] in {share}, the largest is {largest:.6g}, first"
    return Finding(False, f"{measured}, {share} lie outside", problem, row, _scaling(recording))


def _scaling(recording: Recorded) -> str:
    """What to do with actions in the limits of an environment, which are others than [-1, 1]; else empty."""
    box, action = None if recording.spec is None else recording.spec.action, recording.episodes.action
    if box is None or action.shape[1:] != box.shape or ((box.low == -1.0) & (box.high == 1.0)).all():
        return ""
    room = ACTION_TOLERANCE * (box.high - box.low)
    low, high = action.min(axis=0, initial=np.inf), action.max(axis=0, initial=-np.inf)
    if (low < box.low - room).any() or (high > box.high + room).any():
        return ""
    limits = sorted({f"[{low:g}, {high:g}]" for low, high in zip(box.low, box.high, strict=True)})
    return (
        f"they lie in the limits of the environment, {' and '.join(limits[:2])}, from low to high: store "
        "2 (a - low) / (high - low) - 1"
    )


def _one_episode_per_row(recording: Recorded) -> Finding:
    data = recording.episodes
    if recording.origin.derived:
        return Finding(None, "not judged: next observations are the following rows of the source")
    episode = data.episode
    pairs = list(zip(jax.tree.leaves(data.next_observation), jax.tree.leaves(data.observation), strict=True))

    def crosses(rows: slice) -> np.ndarray:
        after = slice(rows.start + 1, rows.stop + 1)
        moved = [apart(following[rows], observation[after]) for following, observation in pairs]
        return np.any(moved, axis=0) & (episode[rows] == episode[after])

    row = first(max(len(episode) - 1, 0), crosses, sum(leaf[:1].nbytes for leaf, _ in pairs))
    if row is None:
        return Finding(True, f"{int(np.count_nonzero(np.diff(episode))) + 1} episodes")
    return Finding(
        False, f"row {row} does", "the next observation is not the following row's observation", row
    )


def _inside_maze(recording: Recorded) -> Finding:
    if recording.inside is None or not recording.flat:
        return Finding(None, NO_MAZE)
    position, inside = recording.episodes.observation, recording.inside
    count, row = 0, None
    for rows in blocks(len(position)):
        deep = _in_walls(inside, position[rows, :2])
        count += len(deep)
        if row is None and len(deep):
            row = rows.start + int(deep[0])
    share = count / max(len(position), 1)
    measured = f"{100 * share:.3g} % of the rows lie in walls or outside"
    if row is None or share <= WALL_SHARE:
        return Finding(True, measured)
    where = ", ".join(f"{x:.2f}" for x in position[row, :2])
    return Finding(False, measured, f"the position ({where}) m lies in a wall or outside the maze", row)


def _in_walls(inside: Callable[[np.ndarray], np.ndarray], position: np.ndarray) -> np.ndarray:
    """Indices of the positions that are deeper in a wall than `WALL_DEPTH`."""
    with np.errstate(invalid="ignore"):  # far outside, the number of a cell is no whole number
        rows = np.flatnonzero(~inside(position))
        for offset in ((WALL_DEPTH, 0.0), (-WALL_DEPTH, 0.0), (0.0, WALL_DEPTH), (0.0, -WALL_DEPTH)):
            rows = rows[~inside(position[rows] + np.asarray(offset, position.dtype))]
    return rows


def _saturation(recording: Recorded) -> Finding:
    action = recording.episodes.action
    count = sum(int(np.count_nonzero(np.abs(action[rows]) > SATURATED)) for rows in blocks(len(action)))
    return Finding(None, f"{100 * count / max(action.size, 1):.2f} % of the numbers")


RULES = (
    Rule(
        "shapes",
        "Observations and actions have the sizes of the task.",
        _shapes,
        "choose the dataset of this task",
        basic=True,
    ),
    Rule(
        "world",
        "What the source says of the world that it was recorded in holds for that of the task.",
        _world,
        "choose the dataset of this task, or the task of this dataset",
    ),
    Rule(
        "finite",
        "Observations, actions and rewards are finite.",
        _finite,
        "repair or drop that episode",
        basic=True,
    ),
    Rule(
        "action_range",
        "Actions lie in [-1, 1].",
        _action_range,
        CLIP,
    ),
    Rule(
        "one_episode_per_row",
        "No transition crosses an episode: within one, the next observation is the following row.",
        _one_episode_per_row,
        "mark where episodes end, by timeouts or episode_id",
    ),
    Rule(
        "jump",
        "No step moves further than is possible, as a reset within an episode would.",
        jump,
        "mark where episodes end, or drop that episode",
    ),
    Rule(
        "duration",
        "No episode outlasts what the task allows.",
        duration,
        "mark where episodes end, by timeouts or episode_id",
    ),
    Rule(
        "inside_maze",
        f"Positions lie in free cells, but for {100 * WALL_SHARE:g} % of the rows and {WALL_DEPTH:g} m.",
        _inside_maze,
        "choose the dataset of this maze, or convert its positions to the task's frame",
    ),
    Rule(
        "saturation",
        f"Logged alone: the share of action numbers beyond {SATURATED:g} of the box.",
        _saturation,
        fatal=False,
    ),
)
