"""What a run's critic said of actions while it trained; see `rankq_jax.diagnostics`."""

from pathlib import Path

import numpy as np

from rankq_jax.analysis import kinds
from rankq_jax.analysis.evaluations import Curve
from rankq_jax.diagnostics import GROUP
from rankq_jax.writers import read_lines

# One picture each, and its panels: `{metric: what its axis says}`.
PICTURES = (
    {
        "action_gradient_max": "largest |dQ/da|",
        "action_gradient_std": "standard deviation of dQ/da",
        "rank/settled": "share of settled pairs",
    },
    {
        "q_data": "mean Q of recorded actions",
        "q_policy": "mean Q of greedy actions",
        "q_random": "mean Q of random actions",
    },
    {
        "rank/success/data_over_noisy": "recorded above noisy",
        "rank/success/data_over_very_noisy": "recorded above very noisy",
        "rank/success/data_over_permuted": "recorded above permuted",
    },
    {
        "rank/success/data_over_random": "recorded above random",
        "rank/success/noisy_over_very_noisy": "noisy above very noisy",
        "rank/success/very_noisy_over_random": "very noisy above random",
    },
)
LOGARITHMIC = {"largest |dQ/da|", "standard deviation of dQ/da"}  # which span orders of magnitude
SHARES = {words for panels in PICTURES for name, words in panels.items() if name.startswith("rank/")}


def read(folder: Path) -> dict[str, Curve]:
    """`{metric without its group: curve over updates}` of a workdir; empty where nothing was recorded.

    Raises:
      InputError: if a record of `metrics.jsonl` is damaged; names the file and the line.
    """
    path = folder / "metrics.jsonl"
    found = dict[str, dict[tuple[int, int], float]]()
    for i, record in enumerate(read_lines(path) if path.exists() else []):
        own = [name for name in record if name.startswith(GROUP)]
        if own:
            known = {"updates": kinds.whole, "seed": kinds.whole, **dict.fromkeys(own, kinds.real)}
            kinds.check(path, record, known, line=i + 1)
        for name in own:
            place = (record["updates"], record["seed"])
            found.setdefault(name.removeprefix(GROUP), {})[place] = float(record[name])
    return {name: _curve(points) for name, points in found.items()}


def _curve(points: dict[tuple[int, int], float]) -> Curve:
    """A curve of `{(updates, seed): value}`."""
    updates, seeds = np.array(list(points)).T
    position, row = np.unique(updates, return_inverse=True)
    columns, column = np.unique(seeds, return_inverse=True)
    value = np.full((len(position), len(columns)), np.nan)
    value[row, column] = list(points.values())
    return Curve(position, value)
