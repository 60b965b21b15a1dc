"""What a dataset becomes under every reading, as a table in Markdown."""

from collections.abc import Mapping, Sequence

import numpy as np

from rankq_jax.analysis import datasets as measures
from rankq_jax.cli import inspection
from rankq_jax.data.episodes import success_of_episode
from rankq_jax.data.readings import READINGS
from rankq_jax.errors import InputError
from rankq_jax.tasks import Task, training_data
from rankq_jax.types import Episodes

COLUMNS = ("rows", "episodes", "successes", "terminals", "success share by row")


def numbers(episodes: Episodes) -> list[str]:
    """The cells of one reading: `COLUMNS` of what the agents would be given.

    Successes are episodes with one at any step. The share counts the rows of those episodes, which is what
    RankQ's classes are.
    """
    rows, solved = len(episodes.reward), measures.successes(episodes)
    share = f"{100 * np.mean(success_of_episode(episodes)):.1f} %" if rows else "-"
    counts = (rows, len(solved), solved.sum(), episodes.terminated.sum())
    return [*(f"{count:,}" for count in counts), share]


def table(found: Mapping[str, Sequence[str]]) -> str:
    """Markdown of `{reading: cells}`; a reading that the data are refused for has its reason as one cell."""
    head = ["reading", *COLUMNS]
    lines = [head, ["---"] * len(head)]
    lines += [[name, *cells, *[""] * (len(COLUMNS) - len(cells))] for name, cells in found.items()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def read(task: Task, dataset: str, keys: str = "", clip_actions: bool = False) -> dict[str, list[str]]:
    """`{reading: cells}` of a dataset; the arguments of `training_data.recordings`.

    Raises:
      InputError: if the dataset is missing, damaged, or no recording of the task.
    """
    sources = list(training_data.recordings(task, dataset, keys, clip_actions))
    message = inspection.unreadable(inspection.judge_recordings(sources))
    if message:
        raise InputError(message)
    found = {}
    for reading in READINGS:
        try:
            parts = [
                training_data.label_source(task, one, reading, source, False)[0] for source, one in sources
            ]
            found[reading] = numbers(
                training_data.prepared(task, parts, reading, task.transform, 0.99).episodes
            )
        except InputError as refused:
            found[reading] = [f"refused: {refused}"]
    return found
