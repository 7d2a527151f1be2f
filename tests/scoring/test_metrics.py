"""Every metric of every scoring by name, unit, direction and range: a reversed one would promote the worse model."""

import math

import pytest

from zoo.scoring.metrics import CannotScore, Metric
from zoo.scoring.protocols import SCORINGS, scoring

UP, DOWN = True, False
SHARE, LENGTH, ANY = (0.0, 1.0), (0.0, math.inf), (-math.inf, math.inf)

METRICS = {
    "accuracy@1": [("accuracy", "", UP, SHARE), ("mean_class_accuracy", "", UP, SHARE)],
    "actions@1": [
        ("accuracy", "", UP, SHARE),
        ("top5_accuracy", "", UP, SHARE),
        ("mean_class_accuracy", "", UP, SHARE),
    ],
    "bpd@1": [("bits_per_dim", "bit", DOWN, LENGTH)],
    "classifier-fid@1": [
        ("classifier_FID", "", DOWN, LENGTH),
        ("classifier_IS", "", UP, (1.0, math.inf)),
        ("classifier_KID", "", DOWN, ANY),
    ],
    "classifier-codes@1": [
        ("classifier_FID", "", DOWN, LENGTH),
        ("code_ARI", "", UP, (-1.0, 1.0)),
        ("classifier_IS", "", UP, (1.0, math.inf)),
    ],
    "classifier-conditional@1": [
        ("classifier_FID", "", DOWN, LENGTH),
        ("label_accuracy", "", UP, SHARE),
        ("classifier_intra_FID", "", DOWN, LENGTH),
        ("classifier_IS", "", UP, (1.0, math.inf)),
    ],
    "coco@2": [(f"{way}_{name}", "", UP, SHARE) for way in ("mask", "box") for name in ("AP", "AP50", "AP75")],
    "epe@1": [
        ("EPE", "px", DOWN, LENGTH),
        ("Fl_all", "", DOWN, SHARE),
        *((f"within_{n}px", "", UP, SHARE) for n in (1, 3, 5)),
    ],
    "inception@1": [("FID", "", DOWN, LENGTH), ("IS", "", UP, (1.0, math.inf)), ("KID", "", DOWN, ANY)],
    "miou@1": [("mIoU", "", UP, SHARE), ("pixel_accuracy", "", UP, SHARE), ("mean_class_accuracy", "", UP, SHARE)],
    "top5@1": [("accuracy", "", UP, SHARE), ("top5_accuracy", "", UP, SHARE)],
    "ope@1": [
        ("success_auc", "", UP, (0.0, 20 / 21)),
        ("precision_20px", "", UP, SHARE),
        ("success_rate_50", "", UP, SHARE),
    ],
}
"""By scoring; the first metric ranks."""
ALIKE = {"coco@1": "coco@2", "kitti-epe@1": "epe@1"}
"""Scorings with the metrics of another one."""
PAIRED = dict.fromkeys(("classifier-codes@1", "classifier-conditional@1", "classifier-fid@1", "inception@1"), False)
"""All others are."""


@pytest.mark.parametrize("name", [*METRICS, *ALIKE])
def test_metrics_of_a_scoring(name: str) -> None:
    found = scoring(f"x-val/{name}")
    assert found.id == name
    assert [(m.name, m.unit, m.higher_is_better, (m.lowest, m.highest)) for m in found.metrics] == METRICS[
        ALIKE.get(name, name)
    ]
    assert found.paired is PAIRED.get(name, True)


def test_every_scoring_is_in_the_table() -> None:
    assert {name.rpartition("-")[2] for name in (*METRICS, *ALIKE)} == set(SCORINGS)


def test_a_gain_is_positive_when_better() -> None:
    up, down = (Metric(name="x", unit="", higher_is_better=way, lowest=0, highest=9) for way in (UP, DOWN))
    assert (up.gain(3, 1), up.gain(1, 3)) == (2, -2)
    assert (down.gain(3, 1), down.gain(1, 3)) == (-2, 2)


def test_a_value_is_checked_both_ends_included() -> None:
    metric = Metric(name="share", unit="", higher_is_better=UP, lowest=-1, highest=2)
    for value in (-1.0, 0.0, 2.0):
        assert metric.check(value) == value
    for value in (-1.01, 2.01, math.nan, math.inf, -math.inf):
        with pytest.raises(CannotScore, match=r"share = .*: expected a finite value in \[-1, 2\].*never registered"):
            metric.check(value)
    boundless = Metric(name="x", unit="", higher_is_better=UP, lowest=-math.inf, highest=math.inf)
    for value in (math.inf, -math.inf, math.nan):
        with pytest.raises(CannotScore, match="x = "):
            boundless.check(value)
