"""Putting cut-outs onto photographs, with the exact mask of each."""

from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image

from zoo.data.made.cutouts import cutout, photograph

_OPAQUE = 128  # half a pixel


@dataclass(frozen=True, kw_only=True)
class Look:
    """How an object appears in one picture."""

    name: str
    size: int  # long side before turning, pixels
    angle: float = 0.0  # degrees, counter-clockwise
    mirrored: bool = False
    gain: tuple[int, int, int] = (100, 100, 100)  # per cent, of each colour


def render(look: Look) -> UInt8[np.ndarray, "h w 4"]:
    """The object in RGBA, cropped to its opaque part."""
    picture = cutout(look.name)
    if look.mirrored:
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    longest = max(picture.size)
    width, height = (max(1, (side * look.size + longest // 2) // longest) for side in picture.size)
    picture = picture.resize((width, height), Image.Resampling.BILINEAR)
    picture = picture.rotate(look.angle, Image.Resampling.BICUBIC, expand=True)
    pixels = np.array(picture)
    pixels[..., :3] = lit(pixels[..., :3], look.gain)
    rows, columns = (np.flatnonzero((pixels[..., 3] >= _OPAQUE).any(axis)) for axis in (1, 0))
    return np.array(pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1], np.uint8)


def paste(
    canvas: UInt8[np.ndarray, "H W 3"], thing: UInt8[np.ndarray, "h w 4"], *, x: int, y: int
) -> Bool[np.ndarray, "H W"]:
    """Blend an object into the canvas (which changes), its top left pixel at (x, y), and return where it is."""
    height, width = canvas.shape[:2]
    mask = np.zeros((height, width), dtype=bool)
    top, left = max(y, 0), max(x, 0)
    part = thing[top - y : max(height - y, 0), left - x : max(width - x, 0)].astype(np.int64)
    where = np.s_[top : top + part.shape[0], left : left + part.shape[1]]
    alpha = part[..., 3:]
    canvas[where] = (alpha * part[..., :3] + (255 - alpha) * canvas[where] + 127) // 255
    mask[where] = part[..., 3] >= _OPAQUE
    return mask


def lit(pixels: UInt8[np.ndarray, "*n 3"], gain: tuple[int, int, int]) -> UInt8[np.ndarray, "*n 3"]:
    """Pixels under another light: each colour times its gain, in per cent."""
    return np.array(np.minimum(np.asarray(pixels, np.int64) * gain // 100, 255), np.uint8)


def light(rng: np.random.Generator, *, spread: int) -> tuple[int, int, int]:
    """A random brightness within `spread` per cent, and a tint a third as wide."""
    brightness = 100 + int(rng.integers(-spread, spread + 1))
    red, green, blue = (int(v) for v in brightness + rng.integers(-spread // 3, spread // 3 + 1, size=3))
    return red, green, blue


def backdrop(name: str, rng: np.random.Generator, *, width: int, height: int) -> UInt8[np.ndarray, "height width 3"]:
    """A random part of a photograph, at a random zoom and under a random light."""
    picture = photograph(name)
    room = min(picture.width * 100 // width, picture.height * 100 // height)  # largest zoom, per cent
    zoom = int(rng.integers(min(100, room), room + 1))
    w, h = width * zoom // 100, height * zoom // 100
    x, y = int(rng.integers(picture.width - w + 1)), int(rng.integers(picture.height - h + 1))
    part = picture.crop((x, y, x + w, y + h)).resize((width, height), Image.Resampling.BILINEAR)
    if rng.integers(2):
        part = part.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return lit(np.array(part), light(rng, spread=30))


def grainy(pixels: UInt8[np.ndarray, "*n"], rng: np.random.Generator, *, grain: int) -> UInt8[np.ndarray, "*n"]:
    """Pixels with sensor noise, uniform within +- `grain`."""
    noise = rng.integers(-grain, grain + 1, size=pixels.shape)
    return np.array(np.clip(pixels + noise, 0, 255), np.uint8)


def write_jpeg(path: Path, pixels: UInt8[np.ndarray, "h w 3"]) -> None:
    """A JPEG file."""
    path.write_bytes(jpeg(pixels))


def jpeg(pixels: UInt8[np.ndarray, "h w 3"]) -> bytes:
    """A JPEG of quality 80, 4:2:0; libjpeg-turbo's default integer transform is the same on every processor."""
    file = BytesIO()
    Image.fromarray(pixels).save(file, "jpeg", quality=80)
    return file.getvalue()


def resized(look: Look, *, percent: int) -> Look:
    """The same object larger or smaller."""
    return replace(look, size=max(8, look.size * percent // 100))
