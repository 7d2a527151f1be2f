"""Boxes around an object, as MDNet uses them: drawn at random, shown to a network, and moved to where it truly is.

The numbers are those of github.com/hyeonseobnam/MDNet ("code" below), tracking/gen_samples.m, utils/im_crop.m and
utils/train_bbox_regressor.m.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, Float64, UInt8
from torch import Tensor

from zoo.boxes import overlap
from zoo.tasks.tracking import Box, Frame

Boxes = Float64[np.ndarray, "n 4"]
Some = Float64[np.ndarray, "_some 4"]  # of those boxes
Sizes = Float64[np.ndarray, "n 2"]
GREY = 128  # what lies outside of the picture, and what the network subtracts


@dataclass(frozen=True)
class Draw:
    """Draws boxes in a picture that resemble a box: left, top, width, height in pixels, their centres in the picture.

    Sides stay so many pixels away from nothing and from those of the picture, unless the box itself is nearer.
    """

    rng: np.random.Generator
    picture: tuple[int, int]  # width and height
    step: float  # factor between sizes
    room: int = 10  # pixels; code, gen_samples.m

    def normal(self, box: Box, n: int, *, shift: float, power: float) -> Boxes:
        """Moved by a normal distribution of deviation `shift` / 2 in mean sides, cut off at `shift`, and grown by
        `step` to such a power of deviation `power` / 2."""
        return self._moved(box, np.clip(self.rng.normal(0, 0.5, (n, 3)), -1, 1), _sides(box).mean() * shift, power)

    def uniform(self, box: Box, n: int, *, shift: float, power: float) -> Boxes:
        """Moved by up to `shift` mean sides, and grown by `step` to powers up to `power` either way."""
        return self._moved(box, self.rng.uniform(-1, 1, (n, 3)), _sides(box).mean() * shift, power)

    def uniform_by_side(self, box: Box, n: int, *, shift: float, power: float, inside: bool) -> Boxes:
        """As `uniform`, but moved in each direction by the box's own side there (code, seq2roidb.m).

        Args:
            inside: whether all of a box lies in the picture, and not its centre alone.
        """
        return self._moved(box, self.rng.uniform(-1, 1, (n, 3)), _sides(box) * shift, power, inside=inside)

    def stretched(self, box: Box, n: int, *, shift: float, power: float) -> Boxes:
        """Moved by up to `shift` sides, stretched by `step` to powers up to 2 in each direction and grown, never
        shrunk, to powers up to `power` in both."""
        moves = self.rng.uniform(-1, 1, (n, 2)) * _sides(box) * shift
        powers = self.rng.uniform(-2, 2, (n, 2)) + power * self.rng.uniform(0, 1, (n, 1))
        return self._fitted(box, _centre(box) + moves, _sides(box) * self.step**powers)

    def anywhere(self, box: Box, n: int, *, power: float) -> Boxes:
        """All over the picture, grown by `step` to powers up to `power` either way."""
        margin = np.minimum(_sides(box), self.picture) / 2
        centres = self.rng.uniform(margin, self.picture - margin, (n, 2))
        return self._fitted(box, centres, _sides(box) * self.step ** self.rng.uniform(-power, power, (n, 1)))

    def _moved(
        self,
        box: Box,
        by: Float64[np.ndarray, "n 3"],
        shift: float | Float64[np.ndarray, "2"],
        power: float,
        *,
        inside: bool = False,
    ) -> Boxes:
        centres, sizes = _centre(box) + by[:, :2] * shift, _sides(box) * self.step ** (power * by[:, 2:])
        return self._fitted(box, centres, sizes, inside=inside)

    def _fitted(self, box: Box, centres: Sizes, sizes: Sizes, *, inside: bool = False) -> Boxes:
        own, picture = _sides(box), np.array(self.picture)
        sizes = np.clip(sizes, np.minimum(own, self.room), np.maximum(own, picture - self.room))
        margin = np.minimum(sizes, picture) / 2 if inside else np.zeros(2)
        return np.hstack([np.clip(centres, margin, picture - margin) - sizes / 2, sizes])


def near(box: Box, boxes: Boxes, n: int, *, least: float) -> Some:
    """The first `n` boxes that overlap with a box by more than `least`; that box itself where none does."""
    close = boxes[overlaps(box, boxes) > least][:n]
    return close if len(close) else np.array([box], dtype=np.float64)


def far(box: Box, boxes: Boxes, n: int, *, most: float) -> Some:
    """The first `n` boxes that overlap with a box by less than `most`; the one that does least where all do more."""
    shares = overlaps(box, boxes)
    return boxes[shares < max(most, np.nextafter(shares.min(), 1))][:n]


def overlaps(box: Box, boxes: Boxes) -> Float64[np.ndarray, " n"]:
    """Intersection over union with one box."""
    return overlap(np.tile(np.array(box, dtype=np.float64), (len(boxes), 1)), boxes)


def crops(frame: Frame, boxes: Boxes, *, size: int, padding: int) -> UInt8[np.ndarray, "n {size} {size} 3"]:
    """What a frame shows of boxes, each warped to `size` pixels, of which `padding` on every side lie around the box.

    Bilinear, and not smoothed where a box is large (code, im_crop.m); outside of the frame it is grey.
    """
    seen = boxes[:, 2:] * size / (size - 2 * padding)
    step = seen / size
    origin = boxes[:, :2] + boxes[:, 2:] / 2 - seen / 2 + step / 2 - 0.5  # (0, 0) is the middle of the first pixel
    pictures = np.empty((len(boxes), size, size, 3), np.uint8)
    for (across, down), (left, top), picture in zip(step.tolist(), origin.tolist(), pictures, strict=True):
        cv2.warpAffine(
            frame,
            np.array([[across, 0, left], [0, down, top]]),
            (size, size),
            dst=picture,
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=(GREY,) * 3,
        )
    return pictures


class BoxRegression:
    """Where the object is in a box, from the features of what it shows: ridge regression on boxes of which it is known
    (section 4.3), in R-CNN's terms: how far off its centre in its sides, and the logarithm of how much larger.

    The code whitens these four first, which changes nothing: one penalty holds for all, so that the map of their
    mixture is the mixture of their maps.
    """

    def __init__(self, features: Float[Tensor, "n f"], boxes: Boxes, truth: Box, *, ridge: float) -> None:
        sides = boxes[:, 2:]
        centres = boxes[:, :2] + sides / 2
        off = np.array(truth[:2]) + np.array(truth[2:]) / 2 - centres
        wanted = np.hstack([off / sides, np.log(np.array(truth[2:]) / sides)])
        self.mean = wanted.mean(0)
        known = _with_one(features)
        # As many equations as boxes, of which there are fewer than features.
        kernel = known @ known.T + ridge * np.eye(len(known))
        self.coefficients = known.T @ np.linalg.solve(kernel, wanted - self.mean)

    def __call__(self, features: Float[Tensor, "n f"], boxes: Boxes) -> Boxes:
        moves, powers = np.split(_with_one(features) @ self.coefficients + self.mean, 2, axis=1)
        sides = boxes[:, 2:] * np.exp(powers)
        return np.hstack([boxes[:, :2] + boxes[:, 2:] * (0.5 + moves) - sides / 2, sides])


def _with_one(features: Float[Tensor, "n f"]) -> Float64[np.ndarray, "n f+1"]:
    return np.pad(features.double().cpu().numpy(), ((0, 0), (0, 1)), constant_values=1)


def _centre(box: Box) -> Float64[np.ndarray, "2"]:
    return np.array([box.left + box.width / 2, box.top + box.height / 2])


def _sides(box: Box) -> Float64[np.ndarray, "2"]:
    return np.array([box.width, box.height], dtype=np.float64)
