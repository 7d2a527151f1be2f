"""Classification: what a picture shows, and what that was seen by."""

from typing import Protocol

import torch
from jaxtyping import Float, UInt8

from zoo.facts import Facts


class ClassificationFacts(Facts):
    """The shape of the pictures, and the names of what they show."""

    channels: int
    height: int
    width: int
    classes: tuple[str, ...]


class Classifier(Protocol):
    """Names what a picture shows, and says what it saw it by.

    Device: pictures and answers lie where the weights are.
    Randomness: none; the same picture gets the same answers.
    Example:
        >>> import torch, zoo
        >>> classifier = zoo.load("digit-classifier")
        >>> images = torch.zeros(2, 1, 8, 8, dtype=torch.uint8)
        >>> classifier.probabilities(images).shape
        torch.Size([2, 10])
    """

    def probabilities(self, images: UInt8[torch.Tensor, "n c h w"]) -> Float[torch.Tensor, "n classes"]:
        """How likely each class is.

        Args:
            images: 0 ... 255, with the channels, height and width of the training data.

        Returns:
            0 ... 1, summing to 1 for each picture; classes in the order of the training data's labels.
        """
        ...

    def features(self, images: UInt8[torch.Tensor, "n c h w"]) -> Float[torch.Tensor, "n d"]:
        """What the classes are told apart by: the space that draws of a sampler are compared in.

        Args:
            images: as for `probabilities`.

        Returns:
            Numbers without bound or unit; how many is the network's affair.
        """
        ...
