"""Accuracy of action recognition, video by video: ten clips spread over each, the centre of the picture, one vote.

Tran et al., ICCV 2015, section 4, and as UCF-101's results are commonly reported. The scoring needs no torch.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt
from jaxtyping import Float32, Int64

from zoo.data.pictures import captioned
from zoo.data.ucf101 import Video, open_ucf101
from zoo.scoring.metrics import Metric
from zoo.scoring.units import Units

if TYPE_CHECKING:
    from torch import Tensor

    from zoo.contracts import Inputs, Picture
    from zoo.tasks import ActionRecogniser

CLIPS = 10  # a video; PROTOCOLS: uniformly placed, softmax scores averaged
STRIPS, SHOTS, SHOT_HEIGHT = 4, 6, 96  # videos shown, frames of each, their height in pixels
NAMED = 3  # classes under a strip


@dataclass(frozen=True)
class ActionAccuracy:
    """Share of videos whose class comes first, or among the first five; the former also averaged over classes.

    Rows: `id` (n,) str, `label` (n,) int64, `scores` (n, classes) float32, higher is likelier; ties go to the lower
    class.
    """

    id: str = "actions@1"
    paired: bool = True
    metrics: tuple[Metric, ...] = (
        Metric(name="accuracy", unit="", higher_is_better=True, lowest=0.0, highest=1.0),
        Metric(name="top5_accuracy", unit="", higher_is_better=True, lowest=0.0, highest=1.0),
        Metric(name="mean_class_accuracy", unit="", higher_is_better=True, lowest=0.0, highest=1.0),
    )

    def aggregate(self, units: Units, counts: npt.NDArray[np.int64] | None = None) -> dict[str, float]:
        labels, scores = units.rows["label"], units.rows["scores"]
        weights = np.ones(len(labels)) if counts is None else counts.astype(np.float64)
        place = rank(scores, labels)
        of_class = np.bincount(labels, weights, minlength=scores.shape[1])
        right_of_class = np.bincount(labels, weights * (place == 0), minlength=scores.shape[1])
        return {
            "accuracy": float(np.average(place == 0, weights=weights)),
            "top5_accuracy": float(np.average(place < 5, weights=weights)),
            "mean_class_accuracy": float((right_of_class[of_class > 0] / of_class[of_class > 0]).mean()),
        }


def rank(scores: Float32[np.ndarray, "n classes"], labels: Int64[np.ndarray, "n"]) -> Int64[np.ndarray, "n"]:
    """How many classes come before the right one."""
    own = scores[np.arange(len(labels)), labels][:, None]
    lower = np.arange(scores.shape[1]) < labels[:, None]
    return ((scores > own) | ((scores == own) & lower)).sum(axis=1)


class ActionBenchmark:
    """Accuracy on the test list of a split."""

    def __init__(self, dataset: str, inputs: "Inputs", *, split: int = 1) -> None:
        self.scoring = ActionAccuracy()
        self.protocol = f"{dataset}-test{split}/{self.scoring.id}"
        folder = inputs.dataset(dataset)
        self.test = open_ucf101(folder, "test", split=split)
        self.train = open_ucf101(folder, "train", split=split)

    def evaluate(self, predictor: "ActionRecogniser") -> Units:
        """The class scores of every video, averaged over its clips."""
        rows = {
            "id": np.array([video.name for video in self.test.videos]),
            "label": np.array([video.label for video in self.test.videos], dtype=np.int64),
            "scores": np.stack([video_scores(predictor, video) for video in self.test.videos]),
        }
        return Units(rows)

    def floor(self) -> "tuple[str, ActionRecogniser]":
        """Always the most frequent class of the training list."""
        counts = np.bincount([video.label for video in self.train.videos], minlength=len(self.train.classes))
        return "majority class", _Always(int(counts.argmax()), classes=len(counts))

    def pictures(self, predictor: "ActionRecogniser") -> "Mapping[str, Picture]":
        """Frames of a few videos spread over the list, the true class and the ones that were named."""
        shown = np.linspace(0, len(self.test.videos) - 1, min(STRIPS, len(self.test.videos)), dtype=int)
        return {self.test.videos[i].name: self._strip(self.test.videos[i], predictor) for i in shown}

    def _strip(self, video: Video, predictor: "ActionRecogniser") -> "Picture":
        scores = video_scores(predictor, video)
        named = ", ".join(f"{self.test.classes[k]} {scores[k]:.2f}" for k in np.argsort(-scores, kind="stable")[:NAMED])
        frames = video.clip(0, len(video))
        shots = [frames[i] for i in np.linspace(0, len(frames) - 1, SHOTS).round().astype(int)]
        size = (round(shots[0].shape[1] * SHOT_HEIGHT / shots[0].shape[0]), SHOT_HEIGHT)
        strip = np.hstack([cv2.resize(shot, size, interpolation=cv2.INTER_AREA) for shot in shots])
        return captioned(strip, f"is {self.test.classes[video.label]}", f"named {named}")


def video_scores(predictor: "ActionRecogniser", video: Video) -> Float32[np.ndarray, "classes"]:
    """The mean of the class probabilities of `CLIPS` clips spread evenly from the first to the last possible.

    Raises:
        ValueError: the video is damaged, or the probabilities are not finite.
    """
    import torch

    length = predictor.clip_length
    frames = video.clip(0, max(len(video), length))
    starts = np.linspace(0, len(frames) - length, CLIPS).round().astype(int)
    clips = torch.from_numpy(np.stack([frames[start : start + length] for start in starts]))
    with torch.inference_mode():
        probabilities = predictor.probabilities(clips.permute(0, 4, 1, 2, 3))
    scores = np.asarray(probabilities.float().mean(dim=0).cpu().numpy())
    if not np.isfinite(scores).all():
        raise ValueError(f"{video.name}: expected finite class probabilities, got {scores}. Look at the weights.")
    return scores


class _Always:
    """Gives one class, whatever it is shown."""

    clip_length = 1

    def __init__(self, label: int, *, classes: int) -> None:
        self.label, self.classes = label, classes

    def probabilities(self, clips: "Tensor") -> "Tensor":
        import torch

        return torch.nn.functional.one_hot(torch.full((len(clips),), self.label), self.classes).float()
