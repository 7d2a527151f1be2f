"""A score taken apart: by class, and unit by unit, so that two models can be compared where they differ.

Each part is the ranking metric of the units that belong to it; of pictures in which a class is counted among others,
it is that class's share of the metric (IoU, AP).
"""

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from zoo.scoring.metrics import Scoring
from zoo.scoring.units import Array, Units


def by_class(units: Units, scoring: Scoring) -> dict[int, float]:
    """The ranking metric by class, of those that it is defined for; empty where units know no classes."""
    for column, taken in _APART.items():
        if column in units.rows:
            return {k: value for k, value in taken(units, scoring).items() if math.isfinite(value)}
    return {}


def by_unit(units: Units, scoring: Scoring) -> npt.NDArray[np.float64]:
    """The ranking metric of each unit alone, NaN where one alone has none (a picture without anything to find)."""
    return np.array([_of(_chosen(units, np.array([i])), scoring) for i in range(len(units))])


def _of_labels(units: Units, scoring: Scoring) -> dict[int, float]:
    labels = units.rows["label"]
    return {int(k): _of(_chosen(units, np.flatnonzero(labels == k)), scoring) for k in np.unique(labels)}


def _of_confusion(units: Units, _: Scoring) -> dict[int, float]:
    """Intersection over union, as mIoU averages it."""
    summed = units.rows["confusion"].sum(0)
    right = summed.diagonal()
    union = summed.sum(0) + summed.sum(1) - right
    return {k: float(right[k] / union[k]) if union[k] else math.nan for k in range(len(union))}


def _of_detections(units: Units, scoring: Scoring) -> dict[int, float]:
    """Average precision where there is nothing to find but one class: detections of others count nowhere then."""
    truths = units.rows["truths"]
    return {
        k: _of(Units({**units.rows, "truths": truths * (np.arange(truths.shape[1]) == k)}, units.constants), scoring)
        for k in range(truths.shape[1])
    }


_APART: dict[str, Callable[[Units, Scoring], dict[int, float]]] = {
    "label": _of_labels,
    "confusion": _of_confusion,
    "truths": _of_detections,
}
"""By the column that tells classes."""


def _of(units: Units, scoring: Scoring) -> float:
    try:
        return scoring.aggregate(units)[scoring.metrics[0].name]
    except ValueError:
        return math.nan


def _chosen(units: Units, places: npt.NDArray[np.intp]) -> Units:
    rows: dict[str, Array] = {name: column[places] for name, column in units.rows.items()}
    return Units(rows, units.constants)
