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
    """Names what a picture shows, and says what it saw it by."""

    def probabilities(self, images: UInt8[torch.Tensor, "n c h w"]) -> Float[torch.Tensor, "n classes"]: ...

    def features(self, images: UInt8[torch.Tensor, "n c h w"]) -> Float[torch.Tensor, "n d"]: ...
