"""The table of readings, counted by hand."""

from pathlib import Path

import numpy as np
import pytest

from rankq_jax import tasks
from rankq_jax.cli import reading_table
from rankq_jax.data.readings import READINGS
from rankq_jax.errors import InputError
from rankq_jax.types import Episodes

DOOR = Path(__file__).resolve().parents[2] / "../shared/data/D4RL/door/human-v2"


def episodes(lengths, successes, terminals=()):
    rows = sum(lengths)
    index = np.arange(rows)
    return Episodes(
        observation=np.zeros((rows, 1)),
        action=np.zeros((rows, 1)),
        reward=np.zeros(rows),
        next_observation=np.zeros((rows, 1)),
        terminated=np.isin(index, terminals),
        truncated=np.zeros(rows, bool),
        success=np.isin(index, successes),
        episode=np.repeat(np.arange(len(lengths)), lengths),
        info={},
    )


@pytest.mark.parametrize(
    ("lengths", "successes", "terminals", "expected"),
    [
        ((4, 3, 1), (2, 3, 7), (3, 7), ["8", "3", "2", "2", "62.5 %"]),  # 4 + 1 of 8 rows
        ((4, 3, 1), (), (), ["8", "3", "0", "0", "0.0 %"]),
        ((1000, 500), (1,), (), ["1,500", "2", "1", "0", "66.7 %"]),
        ((), (), (), ["0", "0", "0", "0", "-"]),
    ],
)
def test_the_cells_of_a_reading(lengths, successes, terminals, expected):
    assert reading_table.numbers(episodes(lengths, successes, terminals)) == expected


def test_the_table():
    text = reading_table.table({"task": ["8", "3", "2", "2", "62.5 %"], "rlpd": ["refused: why"]})
    assert text.splitlines() == [
        "| reading | rows | episodes | successes | terminals | success share by row |",
        "| --- | --- | --- | --- | --- | --- |",
        "| task | 8 | 3 | 2 | 2 | 62.5 % |",
        "| rlpd | refused: why |  |  |  |  |",
    ]


@pytest.mark.skipif(not DOOR.exists(), reason="the demonstrations are not here")
def test_the_demonstrations_of_the_door_are_those_of_the_document():
    found = reading_table.read(tasks.find("adroit-door"), str(DOOR))
    assert list(found) == list(READINGS)
    document = (Path(__file__).resolve().parents[2] / "docs" / "datasets.md").read_text()
    table = document[document.index("25 human demonstrations of the door") :]
    for reading, cells in found.items():
        row = next(line for line in table.splitlines() if line.startswith(f"| `{reading}` |"))
        assert [cell.strip() for cell in row.strip("|").split("|")][2:] == cells


def test_a_missing_dataset_is_one_line():
    with pytest.raises(InputError):
        reading_table.read(tasks.find("adroit-pen"), "nowhere/none-v0")
