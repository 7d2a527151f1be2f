"""How trackers are scored: one pass over every sequence, success AUC and precision as in OTB.

Source: Wu, Lim, Yang, "Online Object Tracking: A Benchmark", CVPR 2013, section 4 (one-pass evaluation, success and
precision plots); 21 thresholds with a strict `>` as in the got10k toolkit, so the best possible AUC is 20/21 = 0.952:
an overlap of 1 exceeds every threshold but 1 itself.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import cv2
import numpy as np
import numpy.typing as npt
from jaxtyping import Float, Float64, UInt8

from zoo.data.otb import open_otb
from zoo.data.pictures import rendered
from zoo.scoring.metrics import Metric
from zoo.scoring.units import Units

if TYPE_CHECKING:
    from zoo.contracts import Inputs, Recipe

Picture = npt.NDArray[np.uint8]

THRESHOLDS = np.linspace(0, 1, 21)  # of overlap; got10k toolkit, nbins_iou
PIXELS = 20  # of centre error; CVPR 2013, section 4.1: the representative precision score
SHEETS, SHOTS, SHOT_HEIGHT = 4, 6, 180  # pictures: sequences, frames of each, pixels
TRUTH, PREDICTION = (0, 200, 0), (230, 0, 0)  # RGB


class Video(Protocol):
    """A video and the true boxes of one object in it, as `zoo.data.otb` reads it."""

    @property
    def name(self) -> str: ...

    @property
    def boxes(self) -> Float64[np.ndarray, "n 4"]:
        """Left, top, width, height, counted from 0; perhaps fewer than frames, perhaps some without area."""
        ...

    def __len__(self) -> int: ...

    def frame(self, i: int, /) -> UInt8[np.ndarray, "height width 3"]: ...


def overlap(a: Float[np.ndarray, "n 4"], b: Float[np.ndarray, "n 4"]) -> Float[np.ndarray, " n"]:
    """Intersection over union of boxes, row by row; 0 where neither has area."""
    corner = np.maximum(a[:, :2], b[:, :2])
    sides = np.minimum(a[:, :2] + a[:, 2:], b[:, :2] + b[:, 2:]) - corner
    intersection = sides[:, 0].clip(0) * sides[:, 1].clip(0)
    union = a[:, 2] * a[:, 3] + b[:, 2] * b[:, 3] - intersection
    share = np.divide(intersection, union, out=np.zeros_like(intersection), where=union > 0)
    return np.asarray(share.clip(0, 1))  # (left + width) - left is not width to the last bit


def centre_error(a: Float[np.ndarray, "n 4"], b: Float[np.ndarray, "n 4"]) -> Float[np.ndarray, " n"]:
    """Distance between the centres of boxes in pixels, row by row."""
    return np.asarray(np.hypot(*((a[:, :2] + a[:, 2:] / 2) - (b[:, :2] + b[:, 2:] / 2)).T))


@dataclass(frozen=True)
class Success:
    """Share of frames that are followed, averaged over sequences."""

    id: str = "ope@1"
    paired: bool = True
    metrics: tuple[Metric, ...] = (
        Metric(name="success_auc", unit="", higher_is_better=True, lowest=0, highest=20 / 21),
        Metric(name="precision_20px", unit="", higher_is_better=True, lowest=0, highest=1),
        Metric(name="success_rate_50", unit="", higher_is_better=True, lowest=0, highest=1),
    )

    def aggregate(self, units: Units, counts: npt.NDArray[np.int64] | None = None) -> dict[str, float]:
        """Success AUC, share of frames within 20 px, share of frames with overlap > 0.5.

        The mean of a success curve is the mean number of thresholds that a frame's overlap exceeds, over 21.
        """
        exceeded = [np.searchsorted(THRESHOLDS, overlaps, side="left").mean() for overlaps in units.rows["overlap"]]
        near = [np.mean(errors <= PIXELS) for errors in units.rows["centre_error"]]
        half = [np.mean(overlaps > 0.5) for overlaps in units.rows["overlap"]]
        auc, precision, rate = np.average([exceeded, near, half], axis=1, weights=counts)
        return {
            "success_auc": float(auc / len(THRESHOLDS)),
            "precision_20px": float(precision),
            "success_rate_50": float(rate),
        }


@dataclass(frozen=True)
class Pass:
    """What one-pass evaluation saw of one sequence, from the first box with area on."""

    first: int
    boxes: Float64[np.ndarray, "n 4"]
    seconds: Float64[np.ndarray, " n-1"]  # of following, without decoding: another number each time, so no unit


def one_pass(tracker: Any, video: Video) -> Pass:
    """Start a tracker on the first annotated box, then never help it again.

    Raises:
        ValueError: no box of the truth has area, or the tracker answers with a box that is not finite.
    """
    from zoo.tasks import Box  # brings torch, which scoring alone does without

    annotated = np.flatnonzero((video.boxes[:, 2:] > 0).all(axis=1))
    if not len(annotated):
        raise ValueError(f"{video.name}: expected a box with area in some frame, got none. Check its groundtruth file.")
    first, last = int(annotated[0]), min(len(video), len(video.boxes))
    start = Box(*video.boxes[first].tolist())
    tracker.start(video.frame(first), start)
    boxes, seconds = [start], []
    for i in range(first + 1, last):
        frame = video.frame(i)
        began = time.perf_counter()
        boxes.append(tracker.follow(frame))
        seconds.append(time.perf_counter() - began)
        if not np.isfinite(boxes[-1]).all():
            raise ValueError(f"{video.name}, frame {i}: expected a finite box, got {boxes[-1]}. Look at its weights.")
    return Pass(first, np.array(boxes, dtype=np.float64), np.array(seconds))


class FirstBox:
    """The floor: whatever happens, the object is where it was at first."""

    def start(self, _frame: Picture, box: Any) -> None:
        self.box = box

    def follow(self, _frame: Picture) -> Any:
        return self.box


@dataclass(frozen=True)
class TrackingBenchmark:
    """One-pass evaluation on the test sequences of a dataset."""

    dataset: str
    videos: Sequence[Video]
    scoring: Success = Success()

    @property
    def protocol(self) -> str:
        return f"{self.dataset}-test/{self.scoring.id}"

    def evaluate(self, predictor: Any) -> Units:
        """Overlap and centre error (pixels) of every frame whose truth has area; a row per sequence."""
        return self._measured([one_pass(predictor, video) for video in self.videos])

    def floor(self) -> tuple[str, FirstBox]:
        return "first box, never moved", FirstBox()

    def pictures(self, predictor: Any) -> Mapping[str, Picture]:
        """Success and precision curves and speed beside the floor's, and frames of some sequences with both boxes."""
        passes = [one_pass(predictor, video) for video in self.videos]
        speed = 1 / np.concatenate([seen.seconds for seen in passes]).mean()
        name, floor = self.floor()
        units = {f"tracker, {speed:.0f} frames/s": self._measured(passes), name: self.evaluate(floor)}
        shown = list(zip(self.videos, passes, strict=True))[:SHEETS]
        return {"curves": _curves(units)} | {f"track-{video.name}": _shots(video, seen) for video, seen in shown}

    def _measured(self, passes: Sequence[Pass]) -> Units:
        overlaps, errors = [], []
        for video, seen in zip(self.videos, passes, strict=True):
            truth = video.boxes[seen.first : seen.first + len(seen.boxes)]
            annotated = (truth[:, 2:] > 0).all(axis=1)
            overlaps.append(overlap(seen.boxes[annotated], truth[annotated]))
            errors.append(centre_error(seen.boxes[annotated], truth[annotated]))
        rows = {
            "sequence": np.array([video.name for video in self.videos]),
            "overlap": _ragged(overlaps),
            "centre_error": _ragged(errors),
        }
        return Units(rows)


def one_pass_evaluation(recipe: "Recipe", inputs: "Inputs") -> TrackingBenchmark:
    """On the test sequences of the dataset that the recipe is scored on."""
    return TrackingBenchmark(recipe.scored, open_otb(inputs.dataset(recipe.scored), "test"))


def _ragged(columns: Sequence[Float64[np.ndarray, " _"]]) -> npt.NDArray[np.object_]:
    return np.fromiter(columns, dtype=object, count=len(columns))


def _curves(units: Mapping[str, Units]) -> Picture:
    """Success plot and precision plot, one line per method, as in CVPR 2013, figure 4."""
    from matplotlib.figure import Figure  # half a second, for pictures alone

    figure = Figure(figsize=(10, 4), dpi=100, layout="constrained")
    success, precision = figure.subplots(1, 2)
    pixels = np.arange(51)
    for name, measured in units.items():
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


def _shots(video: Video, seen: Pass) -> Picture:
    """Frames spread over a sequence, side by side: truth green, prediction red."""
    shots = []
    for i in np.linspace(0, len(seen.boxes) - 1, SHOTS).round().astype(int):
        frame = video.frame(seen.first + int(i)).copy()
        for (left, top, width, height), colour in ((video.boxes[seen.first + i], TRUTH), (seen.boxes[i], PREDICTION)):
            corners = np.rint([(left, top), (left + width, top + height)]).astype(int).tolist()
            cv2.rectangle(frame, corners[0], corners[1], colour, thickness=max(1, frame.shape[0] // 180))
        size = (round(frame.shape[1] * SHOT_HEIGHT / frame.shape[0]), SHOT_HEIGHT)
        shots.append(cv2.resize(frame, size, interpolation=cv2.INTER_AREA))
    return np.hstack(shots)
