"""Figures with one line for each arm, as PNG bytes: curves over training and performance profiles."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from rankq_jax.analysis.evaluations import Curve
from rankq_jax.analysis.names import drawn
from rankq_jax.analysis.pictures import png

# Of lines, in the order in which they are used up.
COLOURS = matplotlib.color_sequences["tab10"]
DASHES = ("-", "--", ":", "-.")
MARKERS = (".", "s", "^", "x")


def line_style(number: int) -> dict[str, Any]:
    """Colour, dashes and marker of the line of that number: 160 differ, the first ten in colour alone."""
    dashes, colours = len(DASHES), len(COLOURS)
    return {
        "color": COLOURS[number % colours],
        "linestyle": DASHES[number // colours % dashes],
        "marker": MARKERS[number // (colours * dashes) % len(MARKERS)],
        "markersize": 4,
    }


class Line(NamedTuple):
    """A curve with a band.

    Attributes:
      label: in the legend.
      number: chooses the style, so that an arm looks the same in every picture.
      position: `[P]`.
      value: `[P]`.
      low: `[P]` lower end of the band.
      high: `[P]` upper end of the band.
      partial: `[P]` bool, points that are drawn hollow.
    """

    label: str
    number: int
    position: np.ndarray
    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    partial: np.ndarray


def _legend(axes: Axes, lines: Mapping[str, Artist]) -> None:
    """Beside a panel, where it hides no curve however many there are.

    Names go into a legend that has been made already, which would leave out those with an underscore.
    """
    place: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (1.02, 1.0), "borderaxespad": 0.0}
    legend = axes.legend(list(lines.values()), [str(i) for i in range(len(lines))], fontsize=8, **place)
    for text, name in zip(legend.get_texts(), lines, strict=True):
        text.set_text(drawn(name))


def _over_training(axes: Axes, quantity: str) -> None:
    axes.axvline(0.0, color="black", linestyle="--", linewidth=1)
    place: dict[str, Any] = {"xycoords": ("data", "axes fraction"), "ha": "center", "fontsize": 8}
    axes.annotate("offline | online", (0.0, 1.01), **place)
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.set_xlabel("environment steps (left of the line: offline updates)")
    axes.set_ylabel(quantity)
    if quantity == "success rate":
        axes.set_ylim(-0.03, 1.05)
    axes.grid(alpha=0.3)


def learning_curves(panels: Mapping[str, Mapping[str, Sequence[Curve]]]) -> bytes:
    """One panel per quantity: mean over seeds, with the range of the seeds as a band.

    Args:
      panels: `{quantity: {algorithm: curves}}`; the curves of one algorithm are of different runs.
    """
    figure, named = Figure(figsize=(5.2 * len(panels), 3.6)), dict[str, Artist]()
    names = list(dict.fromkeys(name for algorithms in panels.values() for name in algorithms))
    for i, (quantity, algorithms) in enumerate(panels.items()):
        axes = figure.add_subplot(1, len(panels), i + 1)
        for name, curves in algorithms.items():
            style = line_style(names.index(name))
            for one in curves:
                mean = np.nanmean(one.value, axis=1)
                (line,) = axes.plot(one.position, mean, label=name, **style)
                named.setdefault(name, line)
                low, high = np.nanmin(one.value, axis=1), np.nanmax(one.value, axis=1)
                axes.fill_between(one.position, low, high, color=style["color"], alpha=0.15, linewidth=0)
        _over_training(axes, quantity)
    _legend(axes, named)
    return png(figure)


def learning_bands(panels: Mapping[str, Sequence[Line]]) -> bytes:
    """One panel per quantity with the lines of all arms, each with its band.

    Args:
      panels: `{quantity: lines}`.
    """
    figure, named = Figure(figsize=(5.2 * len(panels), 3.6)), dict[str, Artist]()
    for i, (quantity, lines) in enumerate(panels.items()):
        axes = figure.add_subplot(1, len(panels), i + 1)
        for line in lines:
            style = line_style(line.number)
            (named[line.label],) = axes.plot(line.position, line.value, label=line.label, **style)
            hollow = {**style, "linestyle": "", "markerfacecolor": "white", "marker": "o", "zorder": 3}
            axes.plot(line.position[line.partial], line.value[line.partial], **hollow)
            axes.fill_between(
                line.position, line.low, line.high, color=style["color"], alpha=0.15, linewidth=0
            )
        _over_training(axes, quantity)
    _legend(axes, named)
    return png(figure)


def profiles(lines: Sequence[Line], quantity: str) -> bytes:
    """Share of runs above each threshold, as steps between the scores that occur.

    Args:
      lines: with thresholds for positions; a share holds up to the next one.
      quantity: what the thresholds are of.
    """
    figure = Figure(figsize=(5.2, 3.6))
    axes, named = figure.add_subplot(), dict[str, Artist]()
    for line in lines:
        style = {**line_style(line.number), "marker": "", "drawstyle": "steps-post"}
        (named[line.label],) = axes.plot(line.position, line.value, label=line.label, **style)
        axes.fill_between(
            line.position, line.low, line.high, step="post", color=style["color"], alpha=0.15, linewidth=0
        )
    axes.set_xlabel(f"threshold: {quantity}")
    axes.set_ylabel("share of runs above it")
    axes.set_ylim(-0.03, 1.05)
    axes.grid(alpha=0.3)
    _legend(axes, named)
    return png(figure)
