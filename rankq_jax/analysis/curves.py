"""Figures with one line for each arm, as PNG bytes: curves over training and performance profiles."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from rankq_jax.analysis import diagnostics, pictures
from rankq_jax.analysis.evaluations import Curve
from rankq_jax.analysis.names import drawn
from rankq_jax.analysis.pictures import png
from rankq_jax.tasks import MEASURES

# Of lines: 160 differ, the first ten in colour alone.
STYLES: list[dict[str, Any]] = [
    {"marker": marker, "linestyle": dashes, "color": colour, "markersize": 4}
    for marker in (".", "s", "^", "x")
    for dashes in ("-", "--", ":", "-.")
    for colour in matplotlib.color_sequences["tab10"]
]
SHARES = {measure.quantity for measure in MEASURES if measure.unit == "%"}  # that lie between 0 and 1


class Line(NamedTuple):
    """A curve with a band.

    Attributes:
      label: in the legend; lines of one label have one entry.
      number: chooses one of the `STYLES`, so that an arm looks the same in every picture.
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


def of_seeds(label: str, number: int, curve: Curve) -> Line:
    """The mean over the seeds of a curve, with their range as a band."""
    there = np.isfinite(curve.value).any(axis=1)
    mean, low, high = (f(curve.value[there], axis=1) for f in (np.nanmean, np.nanmin, np.nanmax))
    return Line(label, number, curve.position[there], mean, low, high, np.zeros(len(mean), bool))


def _legend(axes: Axes, lines: Mapping[str, Artist]) -> None:
    """Beside a panel, where it hides no curve however many there are.

    Names go into a legend that has been made already, which would leave out those with an underscore.
    """
    place: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (1.02, 1.0), "borderaxespad": 0.0}
    legend = axes.legend(list(lines.values()), [str(i) for i in range(len(lines))], fontsize=8, **place)
    for text, name in zip(legend.get_texts(), lines, strict=True):
        text.set_text(drawn(name))


def _draw(axes: Axes, lines: Sequence[Line], steps: bool = False) -> dict[str, Artist]:
    """Lines with their bands; returns one of each label. With `steps` a value holds up to the next one."""
    named: dict[str, Artist] = {}
    changes = {"marker": "", "drawstyle": "steps-post"} if steps else {}
    for line in lines:
        style = STYLES[line.number % len(STYLES)] | changes
        (drawn_line,) = axes.plot(line.position, line.value, label=line.label, **style)
        named.setdefault(line.label, drawn_line)
        hollow = {**style, "linestyle": "", "markerfacecolor": "white", "marker": "o", "zorder": 3}
        if line.partial.any():
            axes.plot(line.position[line.partial], line.value[line.partial], **hollow)
        band: dict[str, Any] = {"color": style["color"], "alpha": 0.15, "linewidth": 0}
        axes.fill_between(line.position, line.low, line.high, step="post" if steps else None, **band)
    axes.grid(alpha=0.3)
    return named


def learning_curves(panels: Mapping[str, Sequence[Line]]) -> bytes:
    """One panel per quantity with the lines of all arms, each with its band.

    Args:
      panels: `{quantity: lines}`.
    """
    figure, places = pictures.panels(len(panels), 5.2, 3.6)
    named: dict[str, Artist] = {}
    for axes, (quantity, lines) in zip(places, panels.items(), strict=True):
        named |= _draw(axes, lines)
        axes.axvline(0.0, color="black", linestyle="--", linewidth=1)
        place: dict[str, Any] = {"xycoords": ("data", "axes fraction"), "ha": "center", "fontsize": 8}
        axes.annotate("offline | online", (0.0, 1.01), **place)
        axes.xaxis.set_major_locator(MaxNLocator(6))
        axes.set(xlabel="online environment steps (left of the line: offline updates)", ylabel=quantity)
        if quantity in SHARES:
            axes.set_ylim(-0.03, 1.05)
    _legend(axes, named)
    return png(figure)


def over_updates(panels: Mapping[str, Sequence[Line]], switches: Sequence[int]) -> bytes:
    """One panel per metric over the updates of a run, with the lines of all arms, each with its band.

    Args:
      panels: `{what the metric is: lines}`.
      switches: the updates at which offline training turns into online training; a dashed line each.
    """
    figure, places = pictures.panels(len(panels), 4.6, 3.4)
    named: dict[str, Artist] = {}
    for axes, (metric, lines) in zip(places, panels.items(), strict=True):
        named |= _draw(axes, lines)
        for switch in switches:
            axes.axvline(switch, color="black", linestyle="--", linewidth=1)
            place: dict[str, Any] = {"xycoords": ("data", "axes fraction"), "ha": "center", "fontsize": 8}
            axes.annotate("offline | online", (switch, 1.01), **place)
        axes.xaxis.set_major_locator(MaxNLocator(6))
        axes.set(xlabel="updates", ylabel=metric)
        if metric in diagnostics.SHARES:
            axes.set_ylim(-0.03, 1.05)
        if metric in diagnostics.LOGARITHMIC and all(line.low.min() > 0 for line in lines):
            axes.set_yscale("log")
    figure.subplots_adjust(wspace=0.35)
    _legend(places[-1], named)
    return png(figure)


def profiles(lines: Sequence[Line], quantity: str) -> bytes:
    """Share of runs above each threshold, as steps between the scores that occur.

    Args:
      lines: with thresholds for positions; a share holds up to the next one.
      quantity: what the thresholds are of.
    """
    figure, (axes,) = pictures.panels(1, 5.2, 3.6)
    named = _draw(axes, lines, steps=True)
    axes.set(xlabel=f"threshold: {quantity}", ylabel="share of runs above it", ylim=(-0.03, 1.05))
    _legend(axes, named)
    return png(figure)
