"""Detection: the things in a picture one by one, with class, box and outline."""

from typing import NamedTuple, Protocol

import torch
from jaxtyping import Bool, Float, Int64, UInt8

from zoo.facts import Facts


class DetectionFacts(Facts):
    """The names of the classes, in the order in which a detector counts them, without a background."""

    classes: tuple[str, ...]


class Detections(NamedTuple):
    """The things found in one picture, most certain first.

    Args:
        boxes: left, top, width, height, in pixels from the picture's left upper corner; fractions are allowed.
        scores: how certain, 0 ... 1.
        classes: counted from 0 in the order of the training data's classes, without a background.
        masks: which pixels of the picture belong to the thing.
    """

    boxes: Float[torch.Tensor, "k 4"]
    scores: Float[torch.Tensor, " k"]
    classes: Int64[torch.Tensor, " k"]
    masks: Bool[torch.Tensor, "k h w"]


class Detector(Protocol):
    """Finds the things in a picture, one by one: class, box and outline of each.

    Device: pictures and answers lie where the weights are.
    Randomness: none; the same picture gets the same answer.
    Example:
        >>> import torch, zoo
        >>> detector = zoo.load("mask-rcnn")
        >>> images = torch.zeros(1, 3, 64, 80, dtype=torch.uint8)
        >>> detector.detect(images)[0].masks.shape[1:]
        torch.Size([64, 80])
    """

    def detect(self, images: UInt8[torch.Tensor, "n 3 h w"]) -> list[Detections]:
        """What is in each picture.

        Args:
            images: RGB, 0 ... 255; of any height and width.

        Returns:
            For each picture its things, at the picture's own size; perhaps none.
        """
        ...
