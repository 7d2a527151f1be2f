"""What a predictor can do: one interface per task, shapes and units in the types.

Pictures go in as people have them (uint8 RGB); normalising, padding and resizing are the predictor's own affair,
so a benchmark never has to know how a network was trained.
"""

from typing import NamedTuple, Protocol

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int64, UInt8

Frame = UInt8[np.ndarray, "height width 3"]


class Box(NamedTuple):
    """An upright box in pixels: left, top of its first pixel counted from 0, and its size."""

    left: float
    top: float
    width: float
    height: float


class Segmenter(Protocol):
    """Names the class of every pixel."""

    def segment(self, images: UInt8[torch.Tensor, "n 3 h w"]) -> Int64[torch.Tensor, "n h w"]: ...


class Detections(NamedTuple):
    """The things found in one picture, most certain first."""

    boxes: Float[torch.Tensor, "k 4"]  # left, top, width, height, in pixels
    scores: Float[torch.Tensor, " k"]  # 0 ... 1
    classes: Int64[torch.Tensor, " k"]  # counted from 0, without a background
    masks: Bool[torch.Tensor, "k h w"]


class Detector(Protocol):
    """Finds the things in a picture, one by one: class, box and outline of each."""

    def detect(self, images: UInt8[torch.Tensor, "n 3 h w"]) -> list[Detections]: ...


class Tracker(Protocol):
    """Follows one object, told only where it was at first."""

    def start(self, frame: Frame, box: Box) -> None: ...

    def follow(self, frame: Frame) -> Box: ...


class FlowEstimator(Protocol):
    """Says where every pixel of a picture went."""

    def flow(
        self, first: UInt8[torch.Tensor, "n 3 h w"], second: UInt8[torch.Tensor, "n 3 h w"]
    ) -> Float[torch.Tensor, "n 2 h w"]:
        """Right and down, in pixels, from the first picture to the second."""
        ...


class Sampler(Protocol):
    """Draws pictures from the distribution it has learned."""

    def sample(self, count: int, *, seed: int) -> UInt8[torch.Tensor, "count c h w"]: ...


class DensityModel(Protocol):
    """Says how probable a picture of whole values 0 ... 255 is, in nats: never a density. A lower bound will do."""

    def log_likelihood(self, images: UInt8[torch.Tensor, "n c h w"], *, seed: int) -> Float64[torch.Tensor, "n"]: ...


class Classifier(Protocol):
    """Names what a picture shows, and says what it saw it by."""

    def probabilities(self, images: UInt8[torch.Tensor, "n c h w"]) -> Float[torch.Tensor, "n classes"]: ...

    def features(self, images: UInt8[torch.Tensor, "n c h w"]) -> Float[torch.Tensor, "n d"]: ...


class ActionRecogniser(Protocol):
    """Names what is done in a clip of consecutive frames."""

    @property
    def clip_length(self) -> int:
        """How many frames it looks at."""
        ...

    def probabilities(self, clips: UInt8[torch.Tensor, "n 3 clip_length h w"]) -> Float[torch.Tensor, "n classes"]: ...
