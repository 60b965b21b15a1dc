"""Normalization of actions and states by the statistics that openpi keeps beside a checkpoint."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rankq_jax.errors import InputError

QUANTILES, DEVIATIONS = "quantiles", "deviations"
EPSILON = 1e-6  # of a divisor, as in openpi
FILE = "norm_stats.json"
MOST_BYTES = 10_000_000


class Statistics(NamedTuple):
    """Of the numbers of an action or a state in the data of a policy, `[n]` each.

    Attributes:
      mean: of the numbers.
      std: their standard deviations.
      q01: their 1 % quantiles; None: the file has none.
      q99: their 99 % quantiles; None: the file has none.
    """

    mean: np.ndarray
    std: np.ndarray
    q01: np.ndarray | None = None
    q99: np.ndarray | None = None


def read_statistics(checkpoint: Path | str, asset: str | None = None) -> dict[str, Statistics]:
    """The statistics of a checkpoint by what they are of, `actions` and `state`.

    Args:
      checkpoint: folder of a step, with `assets/ASSET/norm_stats.json`.
      asset: which robot; None: the checkpoint has one only.

    Raises:
      InputError: if there is no such file, there are several, or one is damaged; names file and field.
    """
    folder = Path(checkpoint).expanduser() / "assets"
    found = sorted(folder.rglob(FILE))
    if asset is not None:
        found = [path for path in found if path.parent == folder / asset]
    if not found:
        where = folder / (asset or "ASSET") / FILE
        raise InputError(f"{where}: no such file; give the folder of one step of an openpi checkpoint.")
    if len(found) > 1:
        names = ", ".join(str(path.parent.relative_to(folder)) for path in found)
        raise InputError(f"{folder}: has statistics of {names}; choose one as asset.")
    (path,) = found
    try:
        content = _content(path)
        return {str(name): _statistics(str(name), one) for name, one in content.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        text = f"has no {error}" if isinstance(error, KeyError) else str(error)
        raise InputError(f"{path}: is no file of statistics ({text}); copy it again.") from error


def _content(path: Path) -> Any:
    if path.stat().st_size > MOST_BYTES:
        raise ValueError(f"it has more than {MOST_BYTES} bytes")
    return json.loads(path.read_text())["norm_stats"]


def _statistics(name: str, content: Any) -> Statistics:
    arrays: dict[str, Any] = {}
    for field in Statistics._fields:
        value = content.get(field)
        if value is None and field in ("q01", "q99"):
            arrays[field] = None
            continue
        if value is None:
            raise ValueError(f"{name} has no {field}")
        found = arrays[field] = np.asarray(value, np.float64)
        same = found.ndim == 1 and found.shape == arrays["mean"].shape
        if not same or not np.isfinite(found).all():
            raise ValueError(f"{name}.{field} is no list of as many finite numbers as mean")
    return Statistics(**arrays)


def _line(statistics: Statistics, size: int, by: str) -> tuple[np.ndarray, np.ndarray]:
    """Scale and offset `[size]`: what is normalized is `(x - offset) / scale`.

    Raises:
      ValueError: if `by` is unknown, or the quantiles that it needs are missing.
    """
    if by == DEVIATIONS:
        scale, offset = statistics.std + EPSILON, statistics.mean
    elif by == QUANTILES:
        if statistics.q01 is None or statistics.q99 is None:
            raise ValueError("the statistics have no quantiles; normalize by deviations")
        scale = (statistics.q99 - statistics.q01 + EPSILON) / 2.0
        offset = statistics.q01 + scale  # q01 becomes -1
    else:
        raise ValueError(f"by={by!r} must be one of {QUANTILES}, {DEVIATIONS}")
    more = max(size - scale.size, 0)  # numbers without statistics stay
    return np.append(scale, np.ones(more))[:size], np.append(offset, np.zeros(more))[:size]


def normalize(x: Any, statistics: Statistics, by: str = QUANTILES, gripper: int | None = None) -> Any:
    """`[*, n] -> [*, n]`: recorded numbers as the policy has them.

    Args:
      x: actions or states; of more numbers than there are statistics of, the others stay.
      statistics: of the data.
      by: `quantiles`, q01 to -1 and q99 to 1 (pi0.5, pi0-FAST), or `deviations`, mean to 0 and a deviation
        to 1 (pi0).
      gripper: place of a number from 0 to 1, which becomes -1 to 1 without statistics; None: there is none.

    Raises:
      ValueError: if `by` is unknown, or the quantiles that it needs are missing.
    """
    x = np.asarray(x)
    scale, offset = _line(statistics, x.shape[-1], by)
    if gripper is not None:
        scale[gripper], offset[gripper] = 0.5, 0.5
    return ((x - offset) / scale).astype(np.result_type(x.dtype, np.float32))


def denormalize(u: Any, statistics: Statistics, by: str = QUANTILES, gripper: int | None = None) -> Any:
    """`[*, n] -> [*, n]`: numbers of the policy as the robot has them, the inverse of `normalize`.

    Args:
      u: actions or states.
      statistics: of the data.
      by: see `normalize`.
      gripper: place of a number that becomes 1 where it is positive and else 0; None: there is none.

    Raises:
      ValueError: as `normalize`.
    """
    u = np.asarray(u)
    scale, offset = _line(statistics, u.shape[-1], by)
    x = (u * scale + offset).astype(np.result_type(u.dtype, np.float32))
    if gripper is not None:
        x[..., gripper] = u[..., gripper] > 0.0
    return x
