"""How pictures are changed at random before a large network learns from them, each change a function of the generator
that it is given: torchvision's transforms draw from torch's global one, which another thread's step is drawing from.

The operations are torchvision's (`transforms.v2.functional`), on RGB pictures of bytes.
"""

import math
from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor
from torch.nn.functional import one_hot
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as change

Image = UInt8[Tensor, "3 h w"]
Images = UInt8[Tensor, "n c h w"]
Generator = np.random.Generator
TRIES = 10  # at a crop or a patch that fits into the picture (torchvision, RandomResizedCrop and RandomErasing)
MEAN = (124.0, 116.0, 104.0)  # ImageNet's colours (timm/data/constants.py, of 255 and rounded)
DEVIATION = (58.0, 57.0, 57.0)


def resized_crop(
    image: Image, side: int, area: tuple[float, float], rng: Generator
) -> UInt8[Tensor, "3 {side} {side}"]:
    """A random part of a picture, brought to a square of a side (Szegedy et al., CVPR 2015, section 6).

    Args:
        area: the least and the largest share of the picture; the ratio of its sides is between 3 : 4 and 4 : 3.
    """
    top, left, height, width = _part(image, area, (3 / 4, 4 / 3), rng) or _middle(image)
    return change.resized_crop(image, top, left, height, width, [side, side], InterpolationMode.BICUBIC, antialias=True)


def _part(
    image: Image, area: tuple[float, float], ratios: tuple[float, float], rng: Generator
) -> tuple[int, int, int, int] | None:
    """Top, left, height and width of a rectangle of a random share and ratio; none if chance finds none that fits."""
    height, width = image.shape[-2:]
    for _ in range(TRIES):
        pixels = rng.uniform(*area) * height * width
        ratio = math.exp(rng.uniform(*np.log(ratios)))
        w, h = round(math.sqrt(pixels * ratio)), round(math.sqrt(pixels / ratio))
        if 0 < w <= width and 0 < h <= height:
            return int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1)), h, w
    return None


def _middle(image: Image) -> tuple[int, int, int, int]:
    height, width = image.shape[-2:]
    side = min(height, width)
    return (height - side) // 2, (width - side) // 2, side, side


def mirrored(image: Image, rng: Generator) -> Image:
    """Half of the pictures, left to right."""
    return change.horizontal_flip(image) if rng.random() < 0.5 else image


def erased(image: Image, probability: float, rng: Generator) -> Image:
    """A rectangle of it in noise (Zhong et al., AAAI 2020), of the share, ratio and noise that timm gives
    (timm/data/random_erasing.py, mode "pixel")."""
    if rng.random() >= probability or not (found := _part(image, (0.02, 1 / 3), (0.3, 1 / 0.3), rng)):
        return image
    top, left, height, width = found
    noise = rng.normal(size=(3, height, width)) * np.reshape(DEVIATION, (3, 1, 1)) + np.reshape(MEAN, (3, 1, 1))
    image = image.clone()
    image[:, top : top + height, left : left + width] = torch.from_numpy(noise.round().clip(0, 255).astype(np.uint8))
    return image


Operation = Callable[[Image, float], Image]
"""Changes a picture as strongly as a number from 0 to 1 says; those that have a direction take it from the sign."""


def _moved(*, shear: tuple[float, float] = (0, 0), translate: tuple[float, float] = (0, 0)) -> Operation:
    """In shares of the picture, at full strength."""

    def operate(image: Image, strength: float) -> Image:
        height, width = image.shape[-2:]
        pixels = [round(share * strength * side) for share, side in zip(translate, (width, height), strict=True)]
        degrees = [math.degrees(math.atan(share * strength)) for share in shear]
        return change.affine(image, 0.0, pixels, 1.0, degrees, InterpolationMode.BILINEAR, fill=list(MEAN))

    return operate


def _enhanced(enhance: Callable[[Image, float], Image]) -> Operation:
    return lambda image, strength: enhance(image, max(0.1, 1 + 0.9 * strength))


def _brightened(image: Image, strength: float) -> Image:
    """Dark pixels alone."""
    lighter = image.to(torch.int16) + int(110 * abs(strength))
    return torch.where(image < 128, lighter.clamp(max=255).to(torch.uint8), image)


OPERATIONS: dict[str, Operation] = {
    "AutoContrast": lambda image, _: change.autocontrast(image),
    "Equalize": lambda image, _: change.equalize(image),
    "Invert": lambda image, _: change.invert(image),
    "Rotate": lambda image, strength: change.rotate(image, 30 * strength, InterpolationMode.BILINEAR, fill=list(MEAN)),
    "Posterize": lambda image, strength: change.posterize(image, 4 - int(4 * abs(strength))),
    "Solarize": lambda image, strength: change.solarize(image, min(256 - int(256 * abs(strength)), 255)),
    "SolarizeAdd": _brightened,
    "Color": _enhanced(change.adjust_saturation),
    "Contrast": _enhanced(change.adjust_contrast),
    "Brightness": _enhanced(change.adjust_brightness),
    "Sharpness": _enhanced(change.adjust_sharpness),
    "ShearX": _moved(shear=(0.3, 0)),
    "ShearY": _moved(shear=(0, 0.3)),
    "TranslateX": _moved(translate=(0.45, 0)),
    "TranslateY": _moved(translate=(0, 0.45)),
}
"""Of "increasing" strength, as timm has them (timm/data/auto_augment.py at 066e490, `inc1`)."""


def rand_augmented(image: Image, magnitude: float, deviation: float, rng: Generator) -> Image:
    """RandAugment (Cubuk et al., NeurIPS 2020) as timm has it: two operations, each left out half of the time.

    Args:
        magnitude: mean of the strength, in tenths of the largest.
        deviation: of the strength.
    """
    for name in rng.choice(list(OPERATIONS), size=2):
        if rng.random() < 0.5:
            strength = float(np.clip(rng.normal(magnitude, deviation), 0, 10) / 10)
            image = OPERATIONS[name](image, strength if rng.random() < 0.5 else -strength)
    return image


def mixed(
    images: Images, labels: Int64[Tensor, "n"], *, classes: int, mixup: float, cutmix: float, rng: Generator
) -> tuple[Images, Float[Tensor, "n classes"]]:
    """Every picture with another one of the batch, and the share that its classes then have.

    mixup (Zhang et al., ICLR 2018) blends the two, cutmix (Yun et al., ICCV 2019) puts a rectangle of the other one in;
    where both are asked for, each batch has one of them. Partners are those of the batch turned round, as in timm.

    Args:
        mixup, cutmix: alpha of the Beta distribution that the share is drawn from; 0: not.
    """
    target = one_hot(labels, classes).float()
    alphas = [(kind, alpha) for kind, alpha in (("mixup", mixup), ("cutmix", cutmix)) if alpha]
    if not alphas:
        return images, target
    kind, alpha = alphas[int(rng.integers(len(alphas)))]
    share = float(rng.beta(alpha, alpha))
    if kind == "mixup":
        blended = images * share + images.flip(0) * (1 - share)
        images = blended.round().to(torch.uint8)
    else:
        images, share = _patched(images, share, rng)
    return images, target * share + target.flip(0) * (1 - share)


def _patched(images: Images, share: float, rng: Generator) -> tuple[Images, float]:
    """A rectangle of the partner around a random place, cut at the edges; the share that is left of each picture."""
    height, width = images.shape[-2:]
    cut = math.sqrt(1 - share) / 2
    y, x = rng.integers(height), rng.integers(width)
    top, bottom = (int(np.clip(y + sign * round(cut * height), 0, height)) for sign in (-1, 1))
    left, right = (int(np.clip(x + sign * round(cut * width), 0, width)) for sign in (-1, 1))
    patched = images.clone()
    patched[..., top:bottom, left:right] = images.flip(0)[..., top:bottom, left:right]
    return patched, 1 - (bottom - top) * (right - left) / (height * width)
