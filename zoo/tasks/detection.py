"""Detection: the things in a picture one by one, with class, box and outline."""

from typing import NamedTuple, Protocol

import torch
from jaxtyping import Bool, Float, Int64, UInt8

from zoo.facts import Facts


class DetectionFacts(Facts):
    """The names of the classes, in the order in which a detector counts them, without a background."""

    classes: tuple[str, ...]


class Detections(NamedTuple):
    """The things found in one picture, most certain first."""

    boxes: Float[torch.Tensor, "k 4"]  # left, top, width, height, in pixels
    scores: Float[torch.Tensor, " k"]  # 0 ... 1
    classes: Int64[torch.Tensor, " k"]  # counted from 0, without a background
    masks: Bool[torch.Tensor, "k h w"]


class Detector(Protocol):
    """Finds the things in a picture, one by one: class, box and outline of each."""

    def detect(self, images: UInt8[torch.Tensor, "n 3 h w"]) -> list[Detections]: ...
