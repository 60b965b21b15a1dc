"""Figures as PNG bytes. Each function takes values and returns a picture, and writes nothing."""

import io
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from rankq_jax.analysis.names import drawn
from rankq_jax.analysis.q_landscape import Landscape
from rankq_jax.tasks import Scene


def panels(count: int, width: float, height: float) -> tuple[Figure, list[Axes]]:
    """A figure of panels side by side, each of that size in inches."""
    figure = Figure(figsize=(width * count, height))
    return figure, [figure.add_subplot(1, count, i + 1) for i in range(count)]


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


def _draw_maze(axes: Axes, scene: Scene, **goal: Any) -> None:
    """The walls from above, and the goal as a circle of that look."""
    maze = scene.map
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
    axes.add_patch(matplotlib.patches.Circle(tuple(scene.goal), scene.radius, zorder=1.5, **goal))


def maze_trajectories(scene: Scene, phases: Mapping[str, tuple[Sequence[np.ndarray], np.ndarray]]) -> bytes:
    """The maze from above, one panel per phase, with the paths of its last evaluation.

    Args:
      scene: the maze, its goal and the radius of success.
      phases: `{phase: (positions [t, 2] of each episode, success [episodes])}`.
    """
    figure, places = panels(len(phases), 4.2, 4.4)
    for axes, (name, (paths, success)) in zip(places, phases.items(), strict=True):
        _draw_maze(axes, scene, color="gold", alpha=0.6)
        for path, solved in zip(paths, success, strict=True):
            axes.plot(*path.T, color="tab:green" if solved else "tab:red", alpha=0.45, linewidth=0.8)
            axes.plot(*path[0], color="black", marker=".", markersize=3)
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
    figure, (axes,) = panels(1, 4.8, 4.2)
    _draw_maze(axes, scene, fill=False, color="red", linewidth=1.5)
    norm = LogNorm(1, max(2.0, float(visits.max())))
    surface = axes.pcolormesh(across, along, np.ma.masked_equal(visits.T, 0), cmap="viridis", norm=norm)
    figure.colorbar(surface, ax=axes, label="transitions", shrink=0.85)
    axes.set_title("visited positions, the goal in red", fontsize=9)
    return png(figure)


def _histograms(axes: Axes, bins: int, values: Mapping[str, np.ndarray], colours: Sequence[Any]) -> None:
    """Outlines of histograms with common bins, on a logarithmic scale."""
    edges = list(np.histogram_bin_edges(np.concatenate(list(values.values())), bins))
    for (name, own), colour in zip(values.items(), colours, strict=False):
        axes.hist(own, edges, histtype="step", log=True, color=colour, label=f"{name}: {len(own)}")
    axes.legend(fontsize=8)


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
    figure, (lengths, returns, actions) = panels(3, 5.0, 3.8)
    _histograms(lengths, 40, length, matplotlib.color_sequences["tab10"])
    lengths.set(xlabel="steps of an episode", ylabel="episodes")
    by_class = {"success": mc_return[success], "failure": mc_return[~success]}
    _histograms(returns, 60, by_class, ("tab:green", "tab:red"))
    returns.set(xlabel="return-to-go", ylabel="transitions")
    across = np.linspace(-1.0, 1.0, 42)
    share = np.stack([np.histogram(column, across)[0] for column in action.T]) / len(action)
    norm, shown = LogNorm(0.5 / len(action), 1.0), np.ma.masked_equal(share, 0.0)
    surface = actions.pcolormesh(across, np.arange(len(share) + 1) - 0.5, shown, cmap="viridis", norm=norm)
    figure.colorbar(surface, ax=actions, label="share of transitions")
    actions.set(xlabel="action", ylabel="dimension")
    actions.xaxis.set_major_locator(MaxNLocator(5))
    actions.yaxis.set_major_locator(MaxNLocator(integer=True))
    return png(figure, tight=True)


def sheet(images: Mapping[str, np.ndarray], columns: int, solved: Sequence[bool] = ()) -> bytes:
    """Images with a title each, row by row.

    Args:
      images: `{title: [H, W, C]}` uint8, all of one size; of other than three channels the first is drawn.
      columns: images of a row.
      solved: for each image, whether its title is green or red; black if there is none.
    """
    height, width, channels = next(iter(images.values())).shape
    rows = -(-len(images) // columns)
    figure = Figure(figsize=(9.0, 9.0 / columns * rows * height / width + 0.25 * rows))
    colours = ["tab:green" if each else "tab:red" for each in solved] or ["black"] * len(images)
    for place, ((title, image), colour) in enumerate(zip(images.items(), colours, strict=True)):
        axes = figure.add_subplot(rows, columns, place + 1)
        shown = image if channels == 3 else image[..., 0]
        axes.imshow(shown, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        axes.set_title(title, fontsize=8, color=colour, pad=3)
        axes.set_axis_off()
    return png(figure, tight=True)


def landscapes(places: Mapping[str, Landscape]) -> bytes:
    """Value surface, gradient field and gradient ascent at a few states, one panel each.

    White lines are gradient ascent from random actions; a white dot is where it ends.
    """
    figure, own = panels(len(places), 4.3, 3.8)
    for axes, (name, place) in zip(own, places.items(), strict=True):
        surface = axes.pcolormesh(place.axis, place.axis, place.value, cmap="viridis", shading="auto")
        figure.colorbar(surface, ax=axes, label="min Q")
        every = slice(None, None, max(1, len(place.axis) // 12))
        field = place.gradient[every, every]
        direction = field / np.maximum(np.linalg.norm(field, axis=-1, keepdims=True), 1e-12)
        x, look = place.axis[every], dict[str, Any](color="black", alpha=0.55, width=0.004)
        axes.quiver(x, x, direction[..., 0], direction[..., 1], **look)
        for path in place.paths:
            axes.plot(*path.T, color="white", linewidth=1)
            axes.plot(*path[-1], color="white", marker="o", markersize=4, markeredgecolor="black")
        axes.set(xlabel="action 0", ylabel="action 1")
        axes.set_title(drawn(name), fontsize=9)
    return png(figure, tight=True)
