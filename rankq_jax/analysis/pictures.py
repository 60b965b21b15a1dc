"""Figures as PNG bytes. Each function takes values and returns a picture, and writes nothing."""

import io
from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from rankq_jax.analysis.q_landscape import Landscape
from rankq_jax.analysis.results import Curve

COLOURS = matplotlib.color_sequences["tab10"]


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, bbox_inches="tight")
    return buffer.getvalue()


def learning_curves(panels: Mapping[str, Mapping[str, Sequence[Curve]]]) -> bytes:
    """One panel per quantity: mean over seeds, with the range of the seeds as a band.

    Args:
      panels: `{quantity: {algorithm: curves}}`; the curves of one algorithm are of different runs.
    """
    figure = Figure(figsize=(5.2 * len(panels), 3.6))
    for i, (quantity, algorithms) in enumerate(panels.items()):
        axes = figure.add_subplot(1, len(panels), i + 1)
        for colour, (name, curves) in zip(COLOURS, algorithms.items(), strict=False):
            for j, one in enumerate(curves):
                mean = np.nanmean(one.value, axis=1)
                label = name if j == 0 else None
                axes.plot(one.position, mean, color=colour, label=label, marker=".")
                low, high = np.nanmin(one.value, axis=1), np.nanmax(one.value, axis=1)
                axes.fill_between(one.position, low, high, color=colour, alpha=0.15, linewidth=0)
        axes.axvline(0.0, color="black", linestyle="--", linewidth=1)
        axes.annotate(
            "offline | online", (0.0, 1.01), xycoords=("data", "axes fraction"), ha="center", fontsize=8
        )
        axes.xaxis.set_major_locator(MaxNLocator(6))
        axes.set_xlabel("environment steps (left of the line: offline updates)")
        axes.set_ylabel(quantity)
        if quantity == "success rate":
            axes.set_ylim(-0.03, 1.05)
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    return _png(figure)


def _draw_maze(axes: Axes, layout: Sequence[Sequence[int]], cell: float) -> None:
    rows, columns = len(layout), len(layout[0])
    extent = (-columns * cell / 2, columns * cell / 2, -rows * cell / 2, rows * cell / 2)
    walls = np.asarray(layout) == 1
    axes.imshow(np.where(walls, 0.55, 1.0), cmap="gray", vmin=0, vmax=1, extent=extent)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_aspect("equal")


def maze_trajectories(
    layout: Sequence[Sequence[int]],
    cell: float,
    phases: Mapping[str, tuple[Sequence[np.ndarray], np.ndarray]],
    goal: np.ndarray,
    radius: float,
) -> bytes:
    """The maze from above, one panel per phase, with the paths of its last evaluation.

    Args:
      layout: rows of cells, 1 a wall.
      cell: edge of a cell, in metres.
      phases: `{phase: (positions [t, 2] of each episode, success [episodes])}`.
      goal: `[2]`, in metres.
      radius: of success, in metres.
    """
    figure = Figure(figsize=(4.2 * len(phases), 4.4))
    for i, (name, (paths, success)) in enumerate(phases.items()):
        axes = figure.add_subplot(1, len(phases), i + 1)
        _draw_maze(axes, layout, cell)
        for path, solved in zip(paths, success, strict=True):
            axes.plot(*path.T, color="tab:green" if solved else "tab:red", alpha=0.45, linewidth=0.8)
            axes.plot(*path[0], color="black", marker=".", markersize=3)
        axes.add_patch(matplotlib.patches.Circle(tuple(goal), radius, color="gold", alpha=0.6))
        axes.set_title(f"{name}: {int(np.sum(success))} of {len(success)} reach the goal", fontsize=9)
    return _png(figure)


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
        axes.set_title(name, fontsize=9)
    figure.tight_layout()
    return _png(figure)
