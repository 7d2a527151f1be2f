"""What models answer, with names: each answer as a line of a table, as numbers for programs, and as a picture."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float64, Int64, UInt8

from zoo.contracts import Picture
from zoo.drawing.answers import followed, moved, ranked, regions
from zoo.drawing.detection import drawn
from zoo.drawing.sheets import grid, spread
from zoo.tasks.tracking import Box
from zoo.using.given import Given, picture, pictures

NAMED = 3  # classes in a line
SHOTS = 6  # frames of a video that are shown
SURE = 0.5  # things with this score or more are drawn and counted


class Result(ABC):
    """An answer to one input."""

    @abstractmethod
    def row(self) -> dict[str, Any]:
        """The answer in a line, by column."""

    @abstractmethod
    def told(self) -> dict[str, Any]:
        """The whole answer in plain numbers and words, for JSON."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Ranking(Result):
    """How likely each class is: of a picture, or of a video."""

    classes: tuple[str, ...]
    probabilities: Float[np.ndarray, " k"]

    @property
    def best(self) -> str:
        """The most likely class."""
        return self.classes[int(self.probabilities.argmax())]

    def first(self, count: int = NAMED) -> list[tuple[str, float]]:
        """The most likely classes, with their probabilities."""
        order = np.argsort(-self.probabilities, kind="stable")[:count]
        return [(self.classes[k], float(self.probabilities[k])) for k in order]

    def row(self) -> dict[str, Any]:
        (best, probability), *others = self.first()
        return {"class": best, "probability": probability, "then": ", ".join(f"{name} {p:.2f}" for name, p in others)}

    def told(self) -> dict[str, Any]:
        return {"class": self.best, "probabilities": dict(zip(self.classes, self.probabilities.tolist(), strict=True))}

    def draw(self, image: Given) -> Picture:
        """The picture over the classes; of several, as the frames of a video, a few side by side."""
        given = pictures(image)
        lines = [f"{name} {probability:.2f}" for name, probability in self.first()]
        return ranked([given[i] for i in spread(len(given), SHOTS)], lines)


@dataclass(frozen=True, eq=False, kw_only=True)
class Regions(Result):
    """The class of every pixel."""

    classes: tuple[str, ...]
    labels: Int64[np.ndarray, "h w"]

    def shares(self) -> dict[str, float]:
        """How much of the picture each class that occurs takes, the largest first."""
        labels, counts = np.unique(self.labels, return_counts=True)
        order = np.argsort(-counts, kind="stable")
        return {self.classes[labels[k]]: float(counts[k] / self.labels.size) for k in order}

    def row(self) -> dict[str, Any]:
        return {"classes": ", ".join(f"{name} {share:.0%}" for name, share in self.shares().items())}

    def told(self) -> dict[str, Any]:
        return {"shares": self.shares()}

    def draw(self, image: Given) -> Picture:
        """The picture and its classes side by side, over their names."""
        return regions(_like(image, self.labels), self.labels, self.classes)


@dataclass(frozen=True, eq=False, kw_only=True)
class Things(Result):
    """The things in a picture, most certain first: boxes are left, top, width, height in pixels."""

    classes: tuple[str, ...]
    boxes: Float[np.ndarray, "k 4"]
    scores: Float[np.ndarray, " k"]
    labels: Int64[np.ndarray, " k"]
    masks: Bool[np.ndarray, "k h w"]

    def row(self) -> dict[str, Any]:
        counts = np.bincount(self.labels[self.scores >= SURE], minlength=len(self.classes))
        found = [f"{count} {self.classes[k]}" for k, count in enumerate(counts) if count]
        return {"things": ", ".join(found) or "none", "surest": float(self.scores[0]) if len(self.scores) else None}

    def told(self) -> dict[str, Any]:
        each = zip(self.labels, self.scores.tolist(), self.boxes.tolist(), strict=True)
        return {"things": [{"class": self.classes[k], "score": score, "box": box} for k, score, box in each]}

    def draw(self, image: Given) -> Picture:
        """The picture with mask, box and name of each sure thing."""
        sure = self.scores >= SURE
        names = [f"{self.classes[k]} {p:.2f}" for k, p in zip(self.labels[sure], self.scores[sure], strict=True)]
        pixels = _like(image, self.masks[0]) if len(self.masks) else picture(image)
        return drawn(pixels, self.boxes[sure], self.masks[sure], self.labels[sure], names)


@dataclass(frozen=True, eq=False, kw_only=True)
class Motion(Result):
    """How far each pixel moved, right and down, in pixels."""

    flow: Float[np.ndarray, "h w 2"]

    def row(self) -> dict[str, Any]:
        return self.told()

    def told(self) -> dict[str, Any]:
        length = np.hypot(self.flow[..., 0], self.flow[..., 1])
        right, down = self.flow.mean(axis=(0, 1)).tolist()
        return {
            "mean length": float(length.mean()),
            "longest": float(length.max()),
            "mean right": right,
            "mean down": down,
        }

    def draw(self, image: Given) -> Picture:
        """The first picture and the flow in colours, beside what the colours mean."""
        return moved(_like(image, self.flow[..., 0]), self.flow)


@dataclass(frozen=True, eq=False, kw_only=True)
class Track(Result):
    """A box for each frame, the given one first."""

    boxes: tuple[Box, ...]

    def row(self) -> dict[str, Any]:
        return {"frames": len(self.boxes), "last box": ", ".join(f"{value:.1f}" for value in self.boxes[-1])}

    def told(self) -> dict[str, Any]:
        return {"boxes": [list(box) for box in self.boxes]}

    def draw(self, frames: Sequence[Given]) -> Picture:
        """A few frames with the box on each."""
        if len(frames) != len(self.boxes):
            raise ValueError(f"expected the {len(self.boxes)} frames that were followed, got {len(frames)}.")
        shown = spread(len(frames), SHOTS)
        return followed([picture(frames[i]) for i in shown], [self.boxes[i] for i in shown], shown)


@dataclass(frozen=True, eq=False, kw_only=True)
class Samples(Result):
    """New pictures."""

    images: UInt8[np.ndarray, "n c h w"]
    seed: int

    def row(self) -> dict[str, Any]:
        return self.told()

    def told(self) -> dict[str, Any]:
        return {"pictures": len(self.images), "seed": self.seed}

    def draw(self) -> Picture:
        """All of them in rows."""
        return grid(self.images)


@dataclass(frozen=True, eq=False, kw_only=True)
class Likelihood(Result):
    """How probable a picture is; of some models a lower bound."""

    nats: float
    values: int  # pixels times channels

    @property
    def bits_per_dim(self) -> float:
        """Bits that the picture takes, a value of a pixel; fewer are better."""
        return -self.nats / self.values / float(np.log(2))

    def row(self) -> dict[str, Any]:
        return self.told()

    def told(self) -> dict[str, Any]:
        return {"log_likelihood": self.nats, "bits_per_dim": self.bits_per_dim}

    def draw(self, image: Given) -> Picture:
        """The picture over its bits."""
        return ranked([picture(image)], [f"{self.bits_per_dim:.2f} bits/dim"])


def _like(image: Given, answer: Float64[np.ndarray, "h w"] | np.ndarray) -> UInt8[np.ndarray, "h w 3"]:
    """The picture that an answer is about.

    Raises:
        ValueError: it is of another size.
    """
    shown = picture(image)
    if shown.shape[:2] != answer.shape:
        raise ValueError(
            f"expected the picture that was asked about, {answer.shape[1]}x{answer.shape[0]}, got "
            f"{shown.shape[1]}x{shown.shape[0]}."
        )
    return shown
