"""A metric over the versions of an entry: each with its error and verdict, and whoever was champion meanwhile."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from zoo.drawing.plots import rendered

COLOURS = {
    "PROMOTE": "#2a7f3f",
    "HOLD": "#777777",
    "REJECT": "#b3302a",
    "by hand": "#1f5fa8",
    "abdicated": "#c07a00",
    "not judged yet": "#bbbbbb",
}
CHANGES = 46  # letters of a change that there is room for
MOST = 24  # versions whose changes there is room for


class Point(NamedTuple):
    """One version."""

    number: int
    value: float
    error: float | None  # standard error
    verdict: str  # a key of COLOURS
    changes: str  # since the version before


class Span(NamedTuple):
    """One reign: whose, and between which times; the floor's has no number."""

    number: int | None
    since: datetime | None
    until: datetime | None


def metric_over_versions(
    points: Sequence[Point],
    times: Sequence[datetime],
    reigns: Sequence[Span],
    *,
    title: str,
    metric: str,
    higher_is_better: bool,
) -> UInt8[np.ndarray, "h w 3"]:
    """The values in order, the champion's as a line, and below what every version changed.

    Args:
        times: when each version was registered: a reign begins at the last version that was there.
    """
    told = len(points) <= MOST
    figure = Figure(figsize=(10, 4.2 + (0.2 * len(points) + 0.5 if told else 0)), dpi=100, layout="constrained")
    axes, *below = np.atleast_1d(figure.subplots(1 + told, 1, height_ratios=[4.2, 0.2 * len(points) + 0.5][: 1 + told]))
    for verdict in dict.fromkeys(point.verdict for point in points):
        chosen = [(i, point) for i, point in enumerate(points) if point.verdict == verdict]
        places, values = [i for i, _ in chosen], [point.value for _, point in chosen]
        errors = [point.error or 0.0 for _, point in chosen]
        colour = COLOURS.get(verdict, COLOURS["not judged yet"])
        axes.errorbar(places, values, yerr=errors, fmt="o", color=colour, capsize=3, label=verdict)
    _champions(axes, points, times, reigns)
    better = "higher" if higher_is_better else "lower"
    axes.set(title=title, ylabel=f"{metric} ({better} is better)", xlabel="version", xlim=(-0.5, len(points) - 0.3))
    axes.set_xticks(range(len(points)), [str(point.number) for point in points])
    axes.legend(loc="best", fontsize=8, title="bars: ± one standard error", title_fontsize=8)
    axes.grid(alpha=0.3)
    for panel in below:
        _changes(panel, points)
    return rendered(figure)


def _champions(axes: Axes, points: Sequence[Point], times: Sequence[datetime], reigns: Sequence[Span]) -> None:
    """A line at the champion's value for as long as it reigned."""
    value = {point.number: point.value for point in points}
    label: str | None = "champion"
    for reign in reigns:
        if reign.number in value:
            start = _place(times, reign.since) if reign.since else [p.number for p in points].index(reign.number)
            end = _place(times, reign.until) if reign.until else len(points) - 0.4
            axes.plot(
                [start, max(end, start + 0.3)], [value[reign.number]] * 2, color="black", linewidth=1, label=label
            )
            label = None


def _place(times: Sequence[datetime], when: datetime) -> int:
    """The last version that was registered by then."""
    return max((i for i, time in enumerate(times) if time <= when), default=0)


def _changes(axes: Axes, points: Sequence[Point]) -> None:
    axes.set_axis_off()
    axes.set(xlim=(0, 1), ylim=(len(points) + 0.5, -0.5))
    axes.text(0, 0, "version: what was changed since the one before", fontsize=9, weight="bold")
    for row, point in enumerate(points, start=1):
        axes.text(0.02, row, f"{point.number}: {point.changes}", fontsize=8, color=COLOURS.get(point.verdict, "black"))
