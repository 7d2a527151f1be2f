"""End-point errors against hand-worked cases, torchvision's colours and pairs whose truth is known."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.utils import flow_to_image

from zoo.contracts import Inputs
from zoo.data.flow import FlowPair, open_flow
from zoo.evaluation.flow import EndPointError, FlowBenchmark, end_point_errors, flow_colours
from zoo.scoring.protocols import scoring
from zoo.scoring.units import Units


def pair(flow: list[tuple[float, float]], known: list[bool]) -> FlowPair:
    """A picture of one row."""
    picture = np.zeros((1, len(flow), 3), np.uint8)
    return FlowPair(picture, picture, np.array([flow], np.float32), np.array([known]))


def units(*rows: dict) -> Units:
    return Units({key: np.stack([row[key] for row in rows]) for key in rows[0]})


# Off by 5 (3-4-5), 0, 4 of a length of 100, 4 of 10, and by something where the truth is not known.
TRUTH = pair([(0, 0), (7, 1), (100, 0), (0, 10), (0, 0)], [True, True, True, True, False])
ESTIMATE = np.array([[(3, 4), (7, 1), (100, 4), (0, 6), (90, 90)]], np.float32)


def test_a_pair_by_hand() -> None:
    row = end_point_errors(ESTIMATE, TRUTH, name="hand")
    assert row["pixels"] == 4
    assert row["error"] == pytest.approx(5 + 0 + 4 + 4)
    assert row["within"].tolist() == [1, 1, 3]  # off by exactly 5 is not within 5
    assert row["outliers"] == 2  # 4 of 100 is less than 5 %


def test_the_mean_over_pixels_and_over_pairs_by_hand() -> None:
    small = end_point_errors(np.array([[(1, 0)]], np.float32), pair([(0, 0)], [True]), name="small")
    both = units(end_point_errors(ESTIMATE, TRUTH, name="hand"), small)
    pixels, pairs = EndPointError().aggregate(both), EndPointError("kitti").aggregate(both)
    assert pixels["EPE"] == pytest.approx(14 / 5)
    assert pairs["EPE"] == pytest.approx((13 / 4 + 1) / 2)
    for values in (pixels, pairs):  # shares are of all pixels
        assert values["Fl_all"] == pytest.approx(2 / 5)
        assert [values[f"within_{n}px"] for n in (1, 3, 5)] == pytest.approx([1 / 5, 2 / 5, 4 / 5])


@pytest.mark.parametrize("per", ["", "kitti"])
def test_counting_twice_is_having_twice(per: str) -> None:
    rng = np.random.default_rng(0)
    rows = [
        end_point_errors(
            rng.normal(0, 4, (3, 4, 2)).astype(np.float32),
            FlowPair(*np.zeros((2, 3, 4, 3), np.uint8), np.zeros((3, 4, 2), np.float32), rng.random((3, 4)) < 0.7),
            name="random",
        )
        for _ in range(3)
    ]
    of = EndPointError(per)
    counted = of.aggregate(units(*rows), np.array([2, 0, 1]))
    assert counted == pytest.approx(of.aggregate(units(rows[0], rows[0], rows[2])))


def test_no_known_flow_wrong_size_and_not_finite() -> None:
    nothing = end_point_errors(np.zeros((1, 1, 2)), pair([(0, 0)], [False]), name="nothing")
    for per in ("", "kitti"):
        with pytest.raises(ValueError, match="expected pixels with a known flow"):
            EndPointError(per).aggregate(units(nothing))
    with pytest.raises(ValueError, match=r"a: expected a flow of the picture's size \(1, 5, 2\), got \(1, 4, 2\)"):
        end_point_errors(ESTIMATE[:, :4], TRUTH, name="a")
    with pytest.raises(ValueError, match="a: expected a finite flow"):
        end_point_errors(ESTIMATE * np.nan, TRUTH, name="a")


def test_protocols_name_their_scoring() -> None:
    assert scoring("sintel-clean/epe@1") == EndPointError()
    assert scoring("kitti-2015-training/kitti-epe@1") == EndPointError("kitti")


class Oracle:
    """Answers the truth of one pair after the other."""

    def __init__(self, folder: Path, split: str) -> None:
        self.pairs = iter(open_flow(folder, split))

    def flow(self, _first: torch.Tensor, _second: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(next(self.pairs).flow).permute(2, 0, 1)[None]


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("name", "split", "counting", "length"),
    [
        ("flow_sintel", "clean", "epe@1", 2.982249),
        ("flow_kitti", "training", "kitti-epe@1", 51.00966),
        ("flow_middlebury", "other", "epe@1", 1.256039),
    ],
)
def test_real_pairs(shared_data: Path, name: str, split: str, counting: str, length: float) -> None:
    """The truth is off by nothing, zero flow by the mean length of the truth."""
    benchmark = FlowBenchmark(name, Inputs(datasets=shared_data), split=split)
    assert benchmark.protocol == f"{name}-{split}/{counting}"
    perfect = benchmark.scoring.aggregate(benchmark.evaluate(Oracle(shared_data / name, split)))
    assert perfect == {"EPE": 0, "Fl_all": 0, "within_1px": 1, "within_3px": 1, "within_5px": 1}
    still = benchmark.scoring.aggregate(benchmark.evaluate(benchmark.floor()[1]))
    assert still["EPE"] == pytest.approx(length, rel=1e-5)
    pictures = benchmark.pictures(benchmark.floor()[1])
    assert [picture.dtype for picture in pictures.values()] == [np.uint8]


def test_colours_are_torchvisions() -> None:
    flow = np.random.default_rng(0).normal(0, 3, (20, 30, 2)).astype(np.float32)
    ours = flow_colours(flow, longest=float(np.hypot(*flow.T).max()))
    theirs = flow_to_image(torch.from_numpy(flow).permute(2, 0, 1)).permute(1, 2, 0).numpy()
    assert np.abs(ours.astype(int) - theirs).max() <= 1
