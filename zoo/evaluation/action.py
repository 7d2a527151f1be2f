"""Benchmark for action recognition: ten clips spread over each video, the centre of the picture, one vote.

Tran et al., ICCV 2015, section 4, and as UCF-101's results are commonly reported.
"""

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8
from torch import Tensor

from zoo.contracts import Inputs, Picture
from zoo.data.actions import open_actions
from zoo.data.ucf101 import Video
from zoo.drawing.action import strips
from zoo.evaluation.stage import Stage
from zoo.scoring.action import ActionAccuracy
from zoo.scoring.metrics import CannotScore
from zoo.scoring.units import Evaluated, Units
from zoo.tasks.action import ActionRecogniser

CLIPS = 10  # a video; evenly placed, softmax scores averaged


class ActionBenchmark:
    """Accuracy on the test list of a split."""

    def __init__(self, dataset: str, inputs: Inputs, *, split: int = 1) -> None:
        self.scoring = ActionAccuracy()
        folder = inputs.dataset(dataset)
        self.test = open_actions(folder, "test", split=split)
        self.train = open_actions(folder, "train", split=split)
        self.protocol = f"{dataset}-{self.test.name}/{self.scoring.id}"

    def evaluate(self, predictor: ActionRecogniser, stage: Stage) -> Evaluated:
        """The class scores of every video, averaged over its clips."""
        videos = self.test.videos
        rows = {
            "id": np.array([video.name for video in videos]),
            "label": np.array([video.label for video in videos], dtype=np.int64),
            "scores": np.stack([video_scores(predictor, video) for video in stage.track(videos, len(videos))]),
        }
        return Evaluated(Units(rows))

    def floor(self) -> tuple[str, ActionRecogniser]:
        """Always the most frequent class of the training list."""
        counts = np.bincount([video.label for video in self.train.videos], minlength=len(self.train.classes))
        return "majority class", _Always(int(counts.argmax()), classes=len(counts))

    def pictures(self, model: Evaluated, _floor: Evaluated) -> Mapping[str, Picture]:
        """Frames of a few videos spread over the list, the true class and the ones that were named."""
        return strips(self.test, model.units.rows["scores"])


def video_scores(predictor: ActionRecogniser, video: Video) -> Float32[np.ndarray, "classes"]:
    """The mean of the class probabilities of `CLIPS` clips spread evenly from the first to the last possible.

    Raises:
        CannotScore: the probabilities are not finite.
        ValueError: the video is damaged.
    """
    length = predictor.clip_length
    frames = video.clip(0, max(len(video), length))
    starts = np.linspace(0, len(frames) - length, CLIPS).round().astype(int)
    clips = torch.from_numpy(np.stack([frames[start : start + length] for start in starts]))
    scores = np.asarray(predictor.probabilities(clips.permute(0, 4, 1, 2, 3)).float().mean(dim=0).numpy())
    if not np.isfinite(scores).all():
        raise CannotScore(f"{video.name}: expected finite class probabilities, got {scores}. Look at the weights.")
    return scores


class _Always:
    """Gives one class, whatever it is shown."""

    clip_length = 1

    def __init__(self, label: int, *, classes: int) -> None:
        self.label, self.classes = label, classes

    def probabilities(self, clips: UInt8[Tensor, "n 3 1 h w"]) -> Float[Tensor, "n classes"]:
        return torch.nn.functional.one_hot(torch.full((len(clips),), self.label), self.classes).float()
