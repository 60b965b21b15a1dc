"""Figures as PNG bytes. Each function takes values and returns a picture, and writes nothing."""

import io
import warnings
from collections.abc import Mapping, Sequence
from typing import Literal

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from rankq_jax.analysis.names import drawn
from rankq_jax.analysis.q_landscape import Landscape
from rankq_jax.envs.maze_map import MazeMap
from rankq_jax.tasks import Scene


def png(figure: Figure, tight: bool = False) -> bytes:
    """The picture of a figure.

    Texts that hold names are taken literally: a `$` begins no formula. Ticks may be formulas.
    `tight` lets the panels fill the figure.
    """
    for axes in figure.axes:
        legend = axes.get_legend()
        texts = [axes.title, axes.xaxis.label, axes.yaxis.label, *axes.texts]
        for text in texts + (legend.get_texts() if legend else []):
            text.set_parse_math(False)
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # A box stands for a character that the font does not have.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        if tight:
            figure.tight_layout()
        figure.savefig(buffer, format="png", dpi=110, bbox_inches="tight")
    return buffer.getvalue()


def _draw_maze(axes: Axes, maze: MazeMap) -> None:
    walls, size, (x, y) = np.asarray(maze.cells) == 1, maze.cell_size, maze.corner
    rows, columns = walls.shape
    first, last = y - maze.down * size / 2, y + maze.down * (rows - 0.5) * size
    extent = (x - size / 2, x + (columns - 0.5) * size, min(first, last), max(first, last))
    origin: Literal["upper", "lower"] = "upper" if maze.down < 0 else "lower"
    shade = np.where(walls, 0.55, 1.0)
    axes.imshow(shade, cmap="gray", vmin=0, vmax=1, extent=extent, origin=origin)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_aspect("equal")


def maze_trajectories(scene: Scene, phases: Mapping[str, tuple[Sequence[np.ndarray], np.ndarray]]) -> bytes:
    """The maze from above, one panel per phase, with the paths of its last evaluation.

    Args:
      scene: the maze, its goal and the radius of success.
      phases: `{phase: (positions [t, 2] of each episode, success [episodes])}`.
    """
    figure = Figure(figsize=(4.2 * len(phases), 4.4))
    for i, (name, (paths, success)) in enumerate(phases.items()):
        axes = figure.add_subplot(1, len(phases), i + 1)
        _draw_maze(axes, scene.map)
        for path, solved in zip(paths, success, strict=True):
            axes.plot(*path.T, color="tab:green" if solved else "tab:red", alpha=0.45, linewidth=0.8)
            axes.plot(*path[0], color="black", marker=".", markersize=3)
        axes.add_patch(matplotlib.patches.Circle(tuple(scene.goal), scene.radius, color="gold", alpha=0.6))
        axes.set_title(f"{drawn(name)}: {int(np.sum(success))} of {len(success)} reach the goal", fontsize=9)
    return png(figure)


def coverage(scene: Scene, position: np.ndarray, per_cell: int = 10) -> bytes:
    """The maze from above with how often each place is visited, on a logarithmic scale.

    Args:
      scene: the maze, its goal and the radius of success.
      position: `[T, 2]`, in metres.
      per_cell: bins along the edge of a cell.
    """
    maze, size = scene.map, scene.map.cell_size
    rows, columns = np.asarray(maze.cells).shape
    low = np.subtract(maze.corner, size / 2)
    if maze.down < 0:
        low[1] -= (rows - 1) * size
    across, along = (
        low[i] + np.arange(n * per_cell + 1) * size / per_cell for i, n in enumerate((columns, rows))
    )
    visits = np.histogram2d(position[:, 0], position[:, 1], (across, along))[0]
    figure = Figure(figsize=(4.8, 4.2))
    axes = figure.add_subplot()
    _draw_maze(axes, maze)
    shown = np.ma.masked_equal(visits.T, 0)
    norm = LogNorm(1, max(2.0, float(visits.max())))
    surface = axes.pcolormesh(across, along, shown, cmap="viridis", norm=norm)
    figure.colorbar(surface, ax=axes, label="transitions", shrink=0.85)
    axes.add_patch(
        matplotlib.patches.Circle(tuple(scene.goal), scene.radius, fill=False, color="red", linewidth=1.5)
    )
    axes.set_title("visited positions, the goal in red", fontsize=9)
    return png(figure)


def distributions(
    length: Mapping[str, np.ndarray], mc_return: np.ndarray, success: np.ndarray, action: np.ndarray
) -> bytes:
    """Histograms of a dataset, one panel each: lengths, return-to-go, actions.

    Args:
      length: `{which: steps of each episode}`.
      mc_return: `[T]` return-to-go of the transformed rewards.
      success: `[T]` bool, whether a transition belongs to a successful trajectory.
      action: `[T, A]` in [-1, 1].
    """
    figure = Figure(figsize=(15.0, 3.8))
    axes = figure.add_subplot(1, 3, 1)
    edges = list(np.histogram_bin_edges(np.concatenate(list(length.values())), 40))
    for name, steps in length.items():
        axes.hist(steps, edges, histtype="step", log=True, label=f"{name}: {len(steps)}")
    axes.set_xlabel("steps of an episode")
    axes.set_ylabel("episodes")
    axes.legend(fontsize=8)
    axes = figure.add_subplot(1, 3, 2)
    edges = list(np.histogram_bin_edges(mc_return, 60))
    for name, colour, mine in (("success", "tab:green", success), ("failure", "tab:red", ~success)):
        label = f"{name}: {np.count_nonzero(mine)}"
        axes.hist(mc_return[mine], edges, histtype="step", log=True, color=colour, label=label)
    axes.set_xlabel("return-to-go")
    axes.set_ylabel("transitions")
    axes.legend(fontsize=8)
    axes = figure.add_subplot(1, 3, 3)
    across = np.linspace(-1.0, 1.0, 42)
    share = np.stack([np.histogram(column, across)[0] for column in action.T]) / len(action)
    norm = LogNorm(0.5 / len(action), 1.0)
    shown = np.ma.masked_equal(share, 0.0)
    surface = axes.pcolormesh(across, np.arange(len(share) + 1) - 0.5, shown, cmap="viridis", norm=norm)
    figure.colorbar(surface, ax=axes, label="share of transitions")
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.set_xlabel("action")
    axes.set_ylabel("dimension")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    return png(figure, tight=True)


def landscapes(places: Mapping[str, Landscape]) -> bytes:
    """Value surface, gradient field and gradient ascent at a few states, one panel each.

    White lines are gradient ascent from random actions; a white dot is where it ends.
    """
    figure = Figure(figsize=(4.3 * len(places), 3.8))
    for i, (name, place) in enumerate(places.items()):
        axes = figure.add_subplot(1, len(places), i + 1)
        surface = axes.pcolormesh(place.axis, place.axis, place.value, cmap="viridis", shading="auto")
        figure.colorbar(surface, ax=axes, label="min Q")
        every = slice(None, None, max(1, len(place.axis) // 12))
        field = place.gradient[every, every]
        length = np.linalg.norm(field, axis=-1, keepdims=True)
        direction = field / np.maximum(length, 1e-12)
        axes.quiver(
            place.axis[every], place.axis[every], direction[..., 0], direction[..., 1],
            color="black", alpha=0.55, width=0.004,
        )  # fmt: skip
        for path in place.paths:
            axes.plot(*path.T, color="white", linewidth=1)
            axes.plot(*path[-1], color="white", marker="o", markersize=4, markeredgecolor="black")
        axes.set_xlabel("action 0")
        axes.set_ylabel("action 1")
        axes.set_title(drawn(name), fontsize=9)
    return png(figure, tight=True)
