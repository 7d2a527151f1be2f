"""End-point error of optical flow: sums and counts per pair of pictures, averaged as each benchmark's authors do.

Sources: Baker et al., "A Database and Evaluation Methodology for Optical Flow", IJCV 2011, section 4 (end-point error)
and its colour code; Menze and Geiger, "Object Scene Flow", CVPR 2015, section 5 (Fl-all). The scoring needs no torch.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt
from jaxtyping import Float, Float32, UInt8
from PIL import Image, ImageDraw

from zoo.data.flow import FlowPair, open_flow
from zoo.data.pictures import captioned
from zoo.scoring.metrics import Metric
from zoo.scoring.units import Units

if TYPE_CHECKING:
    from torch import Tensor

    from zoo.contracts import Inputs, Picture
    from zoo.tasks import FlowEstimator

WITHIN = (1, 3, 5)  # pixels
PICTURES, SHOWN_HEIGHT = 4, 200  # pictures: pairs, and the height that smaller ones are enlarged up to


@dataclass(frozen=True)
class EndPointError:
    """Mean distance between true and estimated end points, and shares of pixels by how far they are off.

    Rows, over the pixels whose flow is known: `id` (n,) str, `pixels` int64, `error` float64 sum of end-point errors
    in pixels, `within` (n, 3) int64 pixels off by less than 1, 3, 5, `outliers` int64 (`Fl_all`).

    Args:
        per: "" for the mean over all pixels of the set (Sintel, FlyingChairs, Middlebury), "kitti" for the mean over
            pairs of each pair's mean; shares are of all pixels in both.
    """

    per: Literal["", "kitti"] = ""
    paired: bool = True
    metrics: tuple[Metric, ...] = (
        Metric(name="EPE", unit="px", higher_is_better=False, lowest=0.0, highest=math.inf),
        Metric(name="Fl_all", unit="", higher_is_better=False, lowest=0.0, highest=1.0),
        *(Metric(name=f"within_{n}px", unit="", higher_is_better=True, lowest=0.0, highest=1.0) for n in WITHIN),
    )

    @property
    def id(self) -> str:
        return f"{self.per}-epe@1" if self.per else "epe@1"

    def aggregate(self, units: Units, counts: npt.NDArray[np.int64] | None = None) -> dict[str, float]:
        """EPE, Fl-all, shares within 1, 3 and 5 px.

        Raises:
            ValueError: no pixel has a known flow.
        """
        rows = units.rows
        weights = np.ones(len(units), np.int64) if counts is None else counts
        pixels = weights @ rows["pixels"]
        if not pixels:
            raise ValueError("EPE: expected pixels with a known flow, but there are none. Look at the split's truth.")
        known = rows["pixels"] > 0
        means = rows["error"] / np.maximum(rows["pixels"], 1)
        epe = np.average(means[known], weights=weights[known]) if self.per else weights @ rows["error"] / pixels
        shares = weights @ np.column_stack((rows["outliers"], rows["within"])) / pixels
        return dict(zip((metric.name for metric in self.metrics), map(float, (epe, *shares)), strict=True))


def end_point_errors(
    flow: Float[np.ndarray, "h w 2"], truth: FlowPair, *, name: str
) -> dict[str, np.int64 | np.float64 | npt.NDArray[np.int64]]:
    """A pair's row of the units, without its id.

    Args:
        name: of the pair, for the error.

    Raises:
        ValueError: sizes differ, or an estimate is not finite.
    """
    if flow.shape != truth.flow.shape:
        raise ValueError(
            f"{name}: expected a flow of the picture's size {truth.flow.shape}, got {flow.shape}. "
            "An estimator answers at the size of the pictures it is given."
        )
    if not np.isfinite(flow).all():
        raise ValueError(f"{name}: expected a finite flow everywhere, got NaN or infinity. Look at its weights.")
    expected = truth.flow[truth.valid].astype(np.float64)
    error = np.hypot(*(flow[truth.valid] - expected).T)
    length = np.hypot(*expected.T)
    return {
        "pixels": np.int64(error.size),
        "error": error.sum(),
        "within": np.array([np.count_nonzero(error < n) for n in WITHIN]),
        # KITTI's devkit: off by more than 3 px and by more than 5 % of the true length
        "outliers": np.int64(np.count_nonzero((error > 3) & (error > 0.05 * length))),
    }


class FlowBenchmark:
    """End-point error on a split, each pair by itself and at its own size."""

    def __init__(self, dataset: str, inputs: "Inputs", *, split: str) -> None:
        self.pairs = open_flow(inputs.dataset(dataset), split)
        self.scoring = EndPointError("kitti" if self.pairs.layout == "KITTI-2015" else "")
        self.protocol = f"{dataset}-{split}/{self.scoring.id}"

    def evaluate(self, predictor: "FlowEstimator") -> Units:
        """Sums and counts of every pair."""
        rows = [
            end_point_errors(_estimated(predictor, pair), pair, name=name)
            for name, pair in zip(self.pairs.ids, self.pairs, strict=True)
        ]
        return Units({"id": np.array(self.pairs.ids)} | {key: np.stack([row[key] for row in rows]) for key in rows[0]})

    def floor(self) -> "tuple[str, FlowEstimator]":
        """Nothing ever moves."""
        return "zero flow", _Still()

    def pictures(self, predictor: "FlowEstimator") -> "Mapping[str, Picture]":
        """Both pictures, true and estimated flow and the legend side by side, for a few pairs spread over the split."""
        shown = np.linspace(0, len(self.pairs) - 1, num=min(PICTURES, len(self.pairs)), dtype=int)
        return {f"flow-{self.pairs.ids[i].replace('/', '-')}": _panel(self.pairs[int(i)], predictor) for i in shown}


class _Still:
    """Says that nothing moved."""

    def flow(self, first: "Tensor", _second: "Tensor") -> "Tensor":
        import torch

        return torch.zeros(len(first), 2, *first.shape[-2:])


def _estimated(predictor: "FlowEstimator", pair: FlowPair) -> Float32[np.ndarray, "h w 2"]:
    import torch

    first, second = (torch.from_numpy(p).permute(2, 0, 1)[None].contiguous() for p in (pair.first, pair.second))
    return np.asarray(predictor.flow(first, second)[0].permute(1, 2, 0).float().cpu().numpy())


def _panel(pair: FlowPair, predictor: "FlowEstimator") -> "Picture":
    """Unknown flow is black; the legend's rim is the longest flow of the two. Small pictures are enlarged."""
    flows = (pair.flow, _estimated(predictor, pair))
    row = end_point_errors(flows[1], pair, name="")
    epe = row["error"] / max(row["pixels"], 1)
    longest = max(float(np.hypot(*flow.T).max()) for flow in flows)
    truth, estimate = (flow_colours(flow, longest=longest) for flow in flows)
    truth[~pair.valid] = 0
    zoom = max(1, SHOWN_HEIGHT // truth.shape[0])
    named = {"first": pair.first, "second": pair.second, "true flow": truth, f"estimated, EPE {epe:.2f} px": estimate}
    panels = [captioned(picture.repeat(zoom, 0).repeat(zoom, 1), text) for text, picture in named.items()]
    return np.concatenate([*panels, _legend(panels[0].shape[0], longest)], axis=1)


def flow_colours(flow: Float[np.ndarray, "h w 2"], *, longest: float) -> UInt8[np.ndarray, "h w 3"]:
    """Direction as hue, length as saturation up to `longest` pixels (Baker et al.'s colour code)."""
    wheel = _colour_wheel()
    length = np.hypot(flow[..., 0], flow[..., 1]) / max(longest, 1e-6)
    turn = (np.arctan2(-flow[..., 1], -flow[..., 0]) / np.pi + 1) / 2 * (len(wheel) - 1)
    before = np.floor(turn).astype(int)
    share = (turn - before)[..., None]
    hue = (1 - share) * wheel[before] + share * wheel[(before + 1) % len(wheel)]
    return np.floor(255 * (1 - np.clip(length, 0, 1)[..., None] * (1 - hue))).astype(np.uint8)


def _colour_wheel() -> Float[np.ndarray, "55 3"]:
    """Red, yellow, green, cyan, blue, magenta, with as many steps between as colorcode.cpp has."""
    corners = np.array([(1, 0, 0), (1, 1, 0), (0, 1, 0), (0, 1, 1), (0, 0, 1), (1, 0, 1), (1, 0, 0)])
    steps = (15, 6, 4, 11, 13, 6)
    return np.concatenate(
        [a + (b - a) * np.arange(n)[:, None] / n for a, b, n in zip(corners[:-1], corners[1:], steps, strict=True)]
    )


def _legend(height: int, longest: float) -> UInt8[np.ndarray, "height side 3"]:
    """The colour of every flow up to the longest, as an arrow from the centre, with its length written below."""
    side = max(64, height // 3)
    y, x = (np.mgrid[:side, :side] + 0.5 - side / 2) / (side / 2)
    disc = flow_colours(np.dstack((x, y)), longest=1.0)
    disc[np.hypot(x, y) > 1] = 255
    sheet = Image.new("RGB", (side, height), "white")
    sheet.paste(Image.fromarray(disc))
    ImageDraw.Draw(sheet).text((side // 2, min(side, height - 12)), f"{longest:.1f} px", fill="black", anchor="mt")
    return np.array(sheet)
