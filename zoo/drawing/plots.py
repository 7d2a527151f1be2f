"""Curves over axes. matplotlib takes a second to import, so whoever may do without a plot imports this where it draws.

The success and precision plots are those of Wu, Lim, Yang, "Online Object Tracking: A Benchmark", CVPR 2013, figure 4.
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from zoo.scoring.tracking import THRESHOLDS, Success
from zoo.scoring.units import Units

PANELS_A_ROW = 3


def rendered(figure: Figure) -> UInt8[np.ndarray, "h w 3"]:
    """A figure in RGB."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()  # type: ignore[no-untyped-call]


def training_curves(path: Path) -> UInt8[np.ndarray, "h w 3"] | None:
    """A panel for each scalar of a run's `curves.jsonl`, over steps; None where nothing was trained."""
    curves: dict[str, dict[int, float]] = {}
    for line in map(json.loads, path.read_text(encoding="utf-8").splitlines()):
        for name in (name for name in line if name not in ("step", "time")):  # they may come and go
            curves.setdefault(name, {})[line["step"]] = line[name]
    if not curves:
        return None
    columns = min(PANELS_A_ROW, len(curves))
    rows = math.ceil(len(curves) / columns)
    figure = Figure(figsize=(4 * columns, 3 * rows), dpi=100, layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).flat
    for (name, curve), axes in zip(curves.items(), panels, strict=False):
        axes.plot(list(curve), list(curve.values()), linewidth=1)
        axes.set_ylim(_most(list(curve.values())))
        axes.set(title=name, xlabel="step")
        axes.grid(alpha=0.3)
    for axes in panels:  # those that are left over
        axes.set_axis_off()
    return rendered(figure)


def _most(values: list[float]) -> tuple[float, float]:
    """A range that holds all but the few values that would press the others flat."""
    low, high = np.percentile(values, (1, 99))
    margin = 0.1 * (high - low) or 1.0
    return low - margin, high + margin


def success_and_precision(methods: Mapping[str, Units]) -> UInt8[np.ndarray, "h w 3"]:
    """Success plot and precision plot, one line per method."""
    figure = Figure(figsize=(10, 4), dpi=100, layout="constrained")
    success, precision = figure.subplots(1, 2)
    pixels = np.arange(51)
    for name, measured in methods.items():
        score = Success().aggregate(measured)
        curves = [(overlaps[:, None] > THRESHOLDS).mean(0) for overlaps in measured.rows["overlap"]]
        success.plot(THRESHOLDS, np.mean(curves, 0), label=f"{name} [{score['success_auc']:.3f}]")
        curves = [(errors[:, None] <= pixels).mean(0) for errors in measured.rows["centre_error"]]
        precision.plot(pixels, np.mean(curves, 0), label=f"{name} [{score['precision_20px']:.3f}]")
    success.set(title="Success [AUC]", xlabel="overlap threshold", ylabel="share of frames", ylim=(0, 1))
    precision.set(title="Precision [20 px]", xlabel="centre error threshold (pixels)", ylim=(0, 1))
    for axes in (success, precision):
        axes.legend()
        axes.grid(alpha=0.3)
    return rendered(figure)
