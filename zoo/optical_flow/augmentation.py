"""Pairs of pictures with flow, changed at random together: what they say of the flow stays true.

`augmented` is how RAFT's authors change dense pairs ("code" below: core/utils/augmentor.py, FlowAugmentor, in
github.com/princeton-vl/RAFT). Differs from it: a picture that its crop would not fit into is always scaled; sizes are
rounded up, not to the nearest; a pixel's flow is known where all that it comes from is.
"""

from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import UInt8
from PIL import Image
from torchvision.transforms import functional as photometry

from zoo.data.flow import FlowPair

RESCALED = 0.8  # of the pairs (spatial_aug_prob)
STRETCHED = 0.8  # of these, each axis by itself (stretch_prob)
STRETCH = 0.2  # at most 2^0.2 (max_stretch)
SPARE = 8  # pixels by which a scaled picture is larger than its crop at least
MIRRORED, UPSIDE_DOWN = 0.5, 0.1  # of the pairs (h_flip_prob, v_flip_prob)
LIGHT = 0.4  # brightness, contrast and saturation by a factor of 0.6 to 1.4
HUE = 0.5 / 3.14  # of the circle of hues
UNEQUAL = 0.2  # of the pairs have a light for each picture (asymmetric_color_aug_prob)
ERASED = 0.5  # of the second pictures lose one or two rectangles (eraser_aug_prob)
RECTANGLE = (50, 100)  # pixels a side, the last excluded (bounds)

Picture = UInt8[np.ndarray, "h w 3"]


class Factors(NamedTuple):
    """A light, and the order in which its parts are applied."""

    brightness: float
    contrast: float
    saturation: float
    hue: float
    order: tuple[int, ...]


def augmented(
    pair: FlowPair, *, crop: tuple[int, int], zoom: tuple[float, float], rng: np.random.Generator
) -> FlowPair:
    """In another light, partly hidden, scaled, cropped and mirrored.

    Args:
        crop: height and width of what comes out.
        zoom: least and largest scale, before stretching.
    """
    first, second = relit_pair(pair.first, pair.second, rng=rng)
    return placed(pair._replace(first=first, second=erased(second, rng=rng)), crop=crop, zoom=zoom, rng=rng)


def placed(pair: FlowPair, *, crop: tuple[int, int], zoom: tuple[float, float], rng: np.random.Generator) -> FlowPair:
    """Scaled, mirrored and cropped; arguments as `augmented`'s."""
    pair = scaled(pair, drawn_scale(pair.valid.shape, crop=crop, zoom=zoom, rng=rng))
    if rng.random() < MIRRORED:
        pair = mirrored(pair, axis=1)
    if rng.random() < UPSIDE_DOWN:
        pair = mirrored(pair, axis=0)
    return cropped(pair, crop, rng=rng)


def drawn_scale(
    size: tuple[int, ...], *, crop: tuple[int, int], zoom: tuple[float, float], rng: np.random.Generator
) -> tuple[float, float]:
    """Factors of height and width: a common one, for most pairs stretched, never so small that a crop has no room."""
    factors = np.full(2, np.exp(rng.uniform(*np.log(zoom))))
    if rng.random() < STRETCHED:
        factors *= 2 ** rng.uniform(-STRETCH, STRETCH, size=2)
    room = max((side + SPARE) / had for side, had in zip(crop, size, strict=True))
    kept = rng.random() >= RESCALED and all(side <= had for side, had in zip(crop, size, strict=True))
    down, across = (1.0, 1.0) if kept else np.maximum(factors, room).tolist()
    return down, across


def relit_pair(first: Picture, second: Picture, *, rng: np.random.Generator) -> tuple[Picture, Picture]:
    """Both in one new light, as one picture; some each in its own."""
    if rng.random() < UNEQUAL:
        return jittered(first, drawn_light(rng)), jittered(second, drawn_light(rng))
    both = jittered(np.concatenate((first, second)), drawn_light(rng))
    return both[: len(first)], both[len(first) :]


def drawn_light(rng: np.random.Generator) -> Factors:
    """Every part at random, in a random order."""
    brightness, contrast, saturation = (1 + rng.uniform(-LIGHT, LIGHT, size=3)).tolist()
    return Factors(brightness, contrast, saturation, rng.uniform(-HUE, HUE), tuple(rng.permutation(4).tolist()))


def jittered(picture: Picture, light: Factors) -> Picture:
    """A picture in another light, in 8 bits after each part, as the code's ColorJitter has it."""
    parts = (
        lambda image: photometry.adjust_brightness(image, light.brightness),
        lambda image: photometry.adjust_contrast(image, light.contrast),
        lambda image: photometry.adjust_saturation(image, light.saturation),
        lambda image: photometry.adjust_hue(image, light.hue),
    )
    image = Image.fromarray(picture)
    for part in light.order:
        image = parts[part](image)
    return np.array(image)


def erased(picture: Picture, *, rng: np.random.Generator) -> Picture:
    """For every other picture one or two rectangles of its mean colour, as if something came between."""
    if rng.random() >= ERASED:
        return picture
    picture, colour = picture.copy(), picture.mean(axis=(0, 1)).astype(np.uint8)
    for _ in range(int(rng.integers(1, 3))):
        y, x = (int(rng.integers(side)) for side in picture.shape[:2])
        height, width = rng.integers(*RECTANGLE, size=2)
        picture[y : y + height, x : x + width] = colour
    return picture


def scaled(pair: FlowPair, factors: tuple[float, float]) -> FlowPair:
    """A pair at other scales of height and width; a pixel's flow is known where all that it comes from is."""
    if all(factor == 1 for factor in factors):
        return pair
    height, width = (int(np.ceil(side * factor)) for side, factor in zip(pair.valid.shape, factors, strict=True))
    stretch = np.array([width / pair.valid.shape[1], height / pair.valid.shape[0]], np.float32)
    first, second, flow = (
        cv2.resize(part, (width, height), interpolation=cv2.INTER_LINEAR)
        for part in (pair.first, pair.second, pair.flow)
    )
    valid = cv2.resize(pair.valid.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR) == 1
    return FlowPair(first, second, flow * stretch, valid)


def cropped(pair: FlowPair, size: tuple[int, int], *, rng: np.random.Generator) -> FlowPair:
    """A part of a pair, of height and width `size`, anywhere."""
    y, x = (int(rng.integers(had - side + 1)) for had, side in zip(pair.valid.shape, size, strict=True))
    return FlowPair(*(part[y : y + size[0], x : x + size[1]] for part in pair))


def mirrored(pair: FlowPair, *, axis: int) -> FlowPair:
    """A pair with left and right (axis 1) or top and bottom (axis 0) exchanged."""
    flipped = FlowPair(*(np.flip(part, axis) for part in pair))
    sign = np.array((-1, 1) if axis == 1 else (1, -1), np.float32)
    return flipped._replace(flow=flipped.flow * sign)
