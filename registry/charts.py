"""Lines and bars as SVG that takes its colours from the page's style, so that it is right in light and dark."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

WIDTH, HEIGHT = 320, 150  # of a panel
LEFT, RIGHT, TOP, BOTTOM = 44, 8, 8, 20  # what axes take of it
POINTS = 200  # at most, of a curve
OUTLIERS = 0.01  # share of a curve's ends that may leave the panel, so as not to press the rest flat


def curves(lines: Sequence[Mapping[str, Any]]) -> list[tuple[str, Markup]]:
    """A panel for each scalar of a training, over its steps."""
    found: dict[str, list[tuple[int, float]]] = {}
    for line in lines:
        for name in (name for name in line if name not in ("step", "time")):  # they may come and go
            found.setdefault(name, []).append((line["step"], line[name]))
    return [(name, _curve(points)) for name, points in found.items() if len(points) > 1]


def history(points: Sequence[tuple[int, float, tuple[float, float] | None, bool]]) -> Markup:
    """A metric over versions with its interval: number, value, interval, and whether it was ever promoted."""
    ends = [end for _, value, interval, _ in points for end in (value, *(interval or ()))]
    low, high = _padded(min(ends), max(ends))
    shapes = []
    for place, (number, value, interval, promoted) in enumerate(points):
        x = LEFT + (WIDTH - LEFT - RIGHT) * (place + 0.5) / len(points)
        if interval:
            y1, y2 = (_y(end, low, high) for end in interval)
            shapes.append(f'<line class="whisker" x1="{x:.1f}" y1="{y1:.1f}" x2="{x:.1f}" y2="{y2:.1f}"/>')
        kind = "point promoted" if promoted else "point"
        shapes.append(f'<circle class="{kind}" cx="{x:.1f}" cy="{_y(value, low, high):.1f}" r="4"/>')
        if place % math.ceil(len(points) / 12) == 0:
            shapes.append(f'<text class="axis" x="{x:.1f}" y="{HEIGHT - 6}" text-anchor="middle">{number}</text>')
    return _panel("".join(shapes), low, high)


def _curve(points: Sequence[tuple[int, float]]) -> Markup:
    values = sorted(value for _, value in points)
    cut = int(OUTLIERS * len(values))
    low, high = _padded(values[cut], values[len(values) - 1 - cut])
    first, last = points[0][0], points[-1][0]
    drawn = [*points[:: math.ceil(len(points) / POINTS)], points[-1]]
    line = " ".join(
        f"{LEFT + (WIDTH - LEFT - RIGHT) * (step - first) / max(last - first, 1):.1f},{_y(value, low, high):.1f}"
        for step, value in drawn
    )
    ends = f'<text class="axis" x="{LEFT}" y="{HEIGHT - 6}">{first:,}</text>'
    ends += f'<text class="axis" x="{WIDTH - RIGHT}" y="{HEIGHT - 6}" text-anchor="end">step {last:,}</text>'
    return _panel(f'<polyline class="curve" points="{line}"/>{ends}', low, high)


def _panel(shapes: str, low: float, high: float) -> Markup:
    """Axes around shapes; everything in them is a number of ours."""
    bottom = HEIGHT - BOTTOM
    frame = f'<path class="frame" d="M{LEFT} {TOP}V{bottom}H{WIDTH - RIGHT}"/>'
    labels = "".join(
        f'<text class="axis" x="{LEFT - 4}" y="{y}" text-anchor="end">{value:.3g}</text>'
        for value, y in ((high, TOP + 8), (low, bottom))
    )
    return Markup(f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">{frame}{shapes}{labels}</svg>')


def _padded(low: float, high: float) -> tuple[float, float]:
    margin = 0.06 * (high - low) or abs(high) * 0.1 or 1.0
    return low - margin, high + margin


def _y(value: float, low: float, high: float) -> float:
    share = min(1.0, max(0.0, (value - low) / (high - low)))
    return TOP + (HEIGHT - TOP - BOTTOM) * (1 - share)
