"""Cells and positions, in the frames of gymnasium-robotics and of D4RL."""

import numpy as np
import pytest

from rankq_jax.envs.maze_map import centre, centred, free_cells, from_start, inside, within

CELLS = ((1, 1, 1, 1), (1, 0, 0, 1), (1, 1, 1, 1))  # three rows of four


def test_the_centred_frame_has_its_origin_in_the_middle_and_y_upwards():
    maze = centred(CELLS, 2.0)  # 8 m wide, 6 m high
    np.testing.assert_array_equal(centre(maze, (0, 0)), [-3.0, 2.0])
    np.testing.assert_array_equal(centre(maze, (2, 3)), [3.0, -2.0])
    np.testing.assert_array_equal(free_cells(maze), [[-1.0, 0.0], [1.0, 0.0]])


def test_the_frame_of_d4rl_starts_in_cell_1_1_and_has_y_downwards():
    maze = from_start(CELLS, 4.0)
    np.testing.assert_array_equal(centre(maze, (1, 1)), [0.0, 0.0])
    np.testing.assert_array_equal(centre(maze, (2, 3)), [8.0, 4.0])  # x = 4 (column - 1), y = 4 (row - 1)
    np.testing.assert_array_equal(free_cells(maze), [[0.0, 0.0], [4.0, 0.0]])


@pytest.mark.parametrize("frame", [centred, from_start])
def test_inside_is_true_in_free_cells_alone(frame):
    maze = frame(CELLS, 4.0)
    free = centre(maze, (1, 1))
    reach = np.array([1.99, 2.01])
    # Free cells: 1.99 m up, down and left of a centre and 5.99 m right of it. Walls: 0.02 m further.
    for distance, expected in zip(reach, [True, False], strict=True):
        around = free + np.array([[0, distance], [0, -distance], [-distance, 0], [4 + distance, 0]])
        np.testing.assert_array_equal(inside(maze, around), expected)
    far = free + np.array([[0, 100], [0, -100], [100, 0], [-100, 0]])
    np.testing.assert_array_equal(inside(maze, far), False)


@pytest.mark.parametrize("target", [np.array([1.0, 2.0]), np.tile([1.0, 2.0], (5, 1))])
def test_within_is_a_closed_disk(target):
    # (3, 4) / 10 is 0.5 long; further columns do not count.
    offset = np.array([[0.0, 0.0], [0.5, 0.0], [0.3, -0.4], [0.51, 0.0], [-0.36, 0.36]])
    position = np.concatenate([offset + np.array([1.0, 2.0]), np.full((5, 2), 9.0)], axis=1)
    np.testing.assert_array_equal(within(position, target, 0.5 + 1e-12), [True, True, True, False, False])
    exact = np.array([[0.5, 0.0], [0.0, -0.5]])
    np.testing.assert_array_equal(within(exact, np.zeros(2), 0.5), [True, True])
    np.testing.assert_array_equal(within(exact, np.zeros(2), 0.49), [False, False])
