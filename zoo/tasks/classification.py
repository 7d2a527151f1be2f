"""Classification: what a picture shows, and for some what that was seen by."""

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
    """Names what a picture shows.

    The classes' probabilities are at least 0 and sum to 1; whether they are calibrated a family says.
    """

    def probabilities(self, images: UInt8[torch.Tensor, "n c h w"]) -> Float[torch.Tensor, "n classes"]: ...


class DescribingClassifier(Classifier, Protocol):
    """Says, too, what it saw a picture by: a space in which pictures compare."""

    def features(self, images: UInt8[torch.Tensor, "n c h w"]) -> Float[torch.Tensor, "n d"]: ...
