import numpy as np
import pytest

from rankq_jax.analysis import datasets, pictures
from rankq_jax.data.episodes import lengths
from rankq_jax.envs.maze_map import centred, from_start
from rankq_jax.tasks import Scene
from rankq_jax.types import Episodes

PNG = b"\x89PNG"


def episodes():
    """Two episodes of three and two steps; the numbers of the episodes are 4 and 7."""
    nothing = np.zeros(5, bool)
    return Episodes(
        observation=np.zeros((5, 1)),
        action=np.zeros((5, 1)),
        reward=np.array([1.0, -2.0, 0.5, 4.0, 4.0]),
        next_observation=np.zeros((5, 1)),
        terminated=nothing,
        truncated=nothing,
        success=np.array([0, 1, 0, 0, 0], bool),
        episode=np.array([4, 4, 4, 7, 7]),
        info={},
    )


def test_lengths_returns_and_successes_by_hand():
    np.testing.assert_array_equal(lengths(episodes()), [3, 2])
    np.testing.assert_allclose(datasets.returns(episodes()), [-0.5, 8.0])
    np.testing.assert_array_equal(datasets.successes(episodes()), [True, False])


def test_strips_are_the_first_the_middle_and_the_last_image():
    shown, after = (np.arange(start, start + 5, dtype=np.uint8)[:, None, None, None] for start in (10, 20))
    images = episodes()._replace(observation={"image": shown}, next_observation={"image": after})
    found = datasets.strips(images, 8)
    # Three steps begin at 10, 11 and 12 and end at 22; two begin at 13 and 14 and end at 24.
    assert {index: strip.ravel().tolist() for index, strip in found.items()} == {
        0: [10, 11, 22],
        1: [13, 14, 24],
    }
    assert list(datasets.strips(images, 1)) == [0]
    assert datasets.strips(episodes(), 8) == {}


def test_a_sheet_is_drawn_of_grey_and_of_colored_images():
    for channels in (1, 3, 4):
        images = {str(i): np.full((4, 6, channels), 40 * i, np.uint8) for i in range(3)}
        assert pictures.sheet(images, 2).startswith(PNG)
        assert pictures.sheet(images, 2, [True, False, True]).startswith(PNG)


def test_of_no_episodes_there_is_nothing():
    none = Episodes(*(leaf[:0] for leaf in episodes()[:-1]), info={})
    for measure in (lengths, datasets.returns, datasets.successes):
        assert len(measure(none)) == 0


def test_saturation_by_dimension():
    action = np.array([[1.0, 0.2], [-1.0, 0.9985], [0.5, -0.9995], [0.999, 0.0]])
    np.testing.assert_allclose(datasets.saturated(action, 0.999), [0.5, 0.25])
    many = np.tile(action, (40_000, 1))  # more than one block
    np.testing.assert_allclose(datasets.saturated(many, 0.999), [0.5, 0.25])


def test_trajectory_quality():
    # hopper of D4RL: random -20.27, expert 3234.3
    assert datasets.trajectory_quality(-20.27, -20.27, 3234.3) == 0.0
    assert datasets.trajectory_quality(3234.3, -20.27, 3234.3) == 1.0
    assert datasets.trajectory_quality(1607.015, -20.27, 3234.3) == pytest.approx(0.5)
    assert datasets.trajectory_quality(3.0, 0.0, 2.0) == 1.5  # better than the best
    with pytest.raises(ValueError, match="must exceed"):
        datasets.trajectory_quality(1.0, 2.0, 2.0)


def test_pairs_are_told_apart_by_bins():
    observation = np.array([[0.0, 3.0], [0.4, 3.0], [1.0, 3.0], [0.6, 3.0], [0.1, 3.0]])
    action = np.array([[-1.0], [-0.2], [0.3], [1.0], [0.1]])
    bins = datasets.bins_of(observation, 2)
    # halves: (0, 0), (0, 0), (1, 1), (1, 1), (0, 1); the constant dimension tells nothing apart
    assert datasets.distinct_pairs(observation, action, bins) == 3
    assert datasets.distinct_pairs(observation, action, datasets.bins_of(observation, 1)) == 1
    # thirds of the observation: 0, 1, 2, 1, 0; of the action: 0, 1, 1, 2, 1
    assert datasets.distinct_pairs(observation, action, datasets.bins_of(observation, 3)) == 5


def test_what_lies_beyond_the_reference_is_in_the_outermost_bin():
    bins = datasets.bins_of(np.array([[0.0], [10.0]]), 10)
    observation = np.array([[-50.0], [0.5], [9.5], [70.0]])
    assert datasets.distinct_pairs(observation, np.zeros((4, 1)), bins) == 2


def test_pairs_of_many_dimensions_equal_a_set():
    random = np.random.default_rng(0)
    digits = random.integers(0, 3, (3000, 12))
    observation, action = digits[:, :8] + 0.5, (digits[:, 8:] + 0.5) * 2 / 3 - 1
    observation = np.concatenate([observation, [[0.0] * 8, [3.0] * 8]])
    action = np.concatenate([action, np.zeros((2, 4))])
    expected = {tuple(row) for row in digits} | {(0,) * 8 + (1,) * 4, (2,) * 8 + (1,) * 4}
    bins = datasets.bins_of(observation, 3)
    assert datasets.distinct_pairs(observation, action, bins) == len(expected)


WALLED = ((1, 1, 1, 1), (1, 0, 0, 1), (1, 1, 0, 1), (1, 1, 1, 1))


def test_visited_cells():
    # Cells of 4 m from the start: the free ones are centred at (0, 0), (4, 0) and (4, 4).
    maze = from_start(WALLED, 4.0)
    assert datasets.visited_cells(maze, np.array([[0.0, 0.0], [1.9, -1.0]])) == (1, 3)
    assert datasets.visited_cells(maze, np.array([[3.0, 1.0], [5.5, 3.0], [0.0, 4.0]])) == (2, 3)


@pytest.mark.parametrize("maze", [centred(WALLED, 1.0), from_start(WALLED, 4.0)])
def test_coverage_is_drawn_where_the_positions_are(maze, monkeypatch):
    drawn = {}

    def remember(self, x, y, values, **options):
        if not drawn:  # the bar of colours is drawn by the same method, later
            drawn.update(x=x, y=y, values=values)
        return mesh(self, x, y, values, **options)

    mesh = pictures.Axes.pcolormesh
    monkeypatch.setattr(pictures.Axes, "pcolormesh", remember)
    corner, size = np.array(maze.corner), maze.cell_size
    free = corner + np.array([2 * size, maze.down * 2 * size])  # the centre of the cell (2, 2)
    scene = Scene(maze, free, radius=0.4, max_step=0.1)
    place = free + 0.05 * size
    picture = pictures.coverage(scene, np.tile(place, (7, 1)), per_cell=5)
    assert picture.startswith(PNG)
    row, column = np.argwhere(drawn["values"].filled(0) == 7)[0]
    assert drawn["x"][column] <= place[0] <= drawn["x"][column + 1]
    assert drawn["y"][row] <= place[1] <= drawn["y"][row + 1]
    assert drawn["values"].sum() == 7 and drawn["values"].shape == (20, 20)
    low, high = sorted([corner[1] - maze.down * size / 2, corner[1] + maze.down * 3.5 * size])
    np.testing.assert_allclose([drawn["y"][0], drawn["y"][-1]], [low, high])
    np.testing.assert_allclose(
        [drawn["x"][0], drawn["x"][-1]], [corner[0] - size / 2, corner[0] + 3.5 * size]
    )


def test_distributions_are_a_picture():
    steps = {"recorded": np.array([2, 1]), "labeled": np.array([3])}
    action = np.random.default_rng(0).uniform(-1, 1, (3, 8))
    returns = np.float32([-500.0, -500.0, 5.0])
    assert pictures.distributions(steps, returns, returns > 0, action).startswith(PNG)
    same = np.full(3, -500.0, np.float32)
    assert pictures.distributions(steps, same, np.zeros(3, bool), np.zeros((3, 1))).startswith(PNG)
