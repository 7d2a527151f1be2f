"""Benchmark for trackers: one pass over every sequence, told where the object is in the first frame and never again.

Wu, Lim, Yang, "Online Object Tracking: A Benchmark", CVPR 2013, section 4 (one-pass evaluation).
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from jaxtyping import Float64

from zoo.boxes import overlap
from zoo.contracts import Inputs, Picture, Recipe
from zoo.data.otb import open_otb
from zoo.data.video import Video
from zoo.drawing.tracking import track
from zoo.evaluation.stage import Stage
from zoo.scoring.metrics import CannotScore
from zoo.scoring.tracking import Success, centre_error
from zoo.scoring.units import Evaluated, Units
from zoo.tasks.tracking import Box, Frame, Tracker

SHOWN = 4  # sequences


@dataclass(frozen=True)
class Pass:
    """What one-pass evaluation saw of one sequence, from the first box with area on."""

    boxes: Float64[np.ndarray, "n 4"]
    seconds: Float64[np.ndarray, " n-1"]  # of following, without decoding: another number each time, so no unit


def first_frame(video: Video) -> int:
    """Where a tracker is started: at the first box with area.

    Raises:
        ValueError: no box of the truth has area.
    """
    annotated = np.flatnonzero((video.boxes[:, 2:] > 0).all(axis=1))
    if not len(annotated):
        raise ValueError(f"{video.name}: expected a box with area in some frame, got none. Check its groundtruth file.")
    return int(annotated[0])


def one_pass(tracker: Tracker, video: Video) -> Pass:
    """Start a tracker on the first annotated box, then never help it again.

    Raises:
        CannotScore: the tracker answers with a box that is not finite.
        ValueError: no box of the truth has area.
    """
    first, last = first_frame(video), min(len(video), len(video.boxes))
    start = Box(*video.boxes[first].tolist())
    tracker.start(video.frame(first), start)
    boxes, seconds = [start], []
    for i in range(first + 1, last):
        frame = video.frame(i)
        began = time.perf_counter()
        boxes.append(tracker.follow(frame))
        seconds.append(time.perf_counter() - began)
        if not np.isfinite(boxes[-1]).all():
            raise CannotScore(f"{video.name}, frame {i}: expected a finite box, got {boxes[-1]}. Look at its weights.")
    return Pass(np.array(boxes, dtype=np.float64), np.array(seconds))


class FirstBox:
    """The floor: whatever happens, the object is where it was at first."""

    def start(self, _frame: Frame, box: Box) -> None:
        self.box = box

    def follow(self, _frame: Frame) -> Box:
        return self.box


@dataclass(frozen=True)
class TrackingBenchmark:
    """One-pass evaluation on the test sequences of a dataset."""

    dataset: str
    videos: Sequence[Video]
    scoring: Success = field(default_factory=Success)

    @property
    def protocol(self) -> str:
        return f"{self.dataset}-test/{self.scoring.id}"

    def evaluate(self, predictor: Tracker, stage: Stage) -> Evaluated:
        """Overlap and centre error (pixels) of every frame whose truth has area; a row per sequence."""
        passes = [one_pass(predictor, video) for video in stage.track(self.videos, len(self.videos))]
        tracks = {f"track-{video.name}": seen.boxes for video, seen in zip(self.videos[:SHOWN], passes, strict=False)}
        seconds = np.concatenate([seen.seconds for seen in passes])
        return Evaluated(self._measured(passes), tracks | {"seconds": seconds})

    def floor(self) -> tuple[str, Tracker]:
        return "first box, never moved", FirstBox()

    def pictures(self, model: Evaluated, floor: Evaluated) -> Mapping[str, Picture]:
        """Success and precision curves and speed beside the floor's, and frames of some sequences with both boxes."""
        from zoo.drawing.plots import success_and_precision  # takes a second

        speed = "" if model.speed is None else f", {model.speed:.0f} frames/s"
        methods = {f"tracker{speed}": model.units, self.floor()[0]: floor.units}
        named = {f"track-{video.name}": video for video in self.videos[:SHOWN]}
        tracks = {name: track(video, model.shown[name], first=first_frame(video)) for name, video in named.items()}
        return {"curves": success_and_precision(methods)} | tracks

    def _measured(self, passes: Sequence[Pass]) -> Units:
        overlaps, errors = [], []
        for video, seen in zip(self.videos, passes, strict=True):
            truth = video.boxes[first_frame(video) :][: len(seen.boxes)]
            annotated = (truth[:, 2:] > 0).all(axis=1)
            overlaps.append(overlap(seen.boxes[annotated], truth[annotated]))
            errors.append(centre_error(seen.boxes[annotated], truth[annotated]))
        rows = {
            "sequence": np.array([video.name for video in self.videos]),
            "overlap": _ragged(overlaps),
            "centre_error": _ragged(errors),
        }
        return Units(rows)


def one_pass_evaluation(recipe: Recipe, inputs: Inputs) -> TrackingBenchmark:
    """On the test sequences of the dataset that the recipe is scored on."""
    return TrackingBenchmark(recipe.scored, open_otb(inputs.dataset(recipe.scored), "test"))


def _ragged(columns: Sequence[Float64[np.ndarray, " _"]]) -> npt.NDArray[np.object_]:
    return np.fromiter(columns, dtype=object, count=len(columns))
