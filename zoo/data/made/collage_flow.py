"""`collage-flow`: objects moving over a moving photograph, with the exact motion of every pixel; FlyingChairs layout.

240 training and 40 validation pairs, 96x80. A photograph and two to four objects before it each turn, grow and shift
between the two pictures, the objects also with the photograph (the camera); an object hides what is behind it, and
things leave the picture. Both pictures are resampled, so that neither is the sharper one. Training and validation
share no object and no photograph (but for the sheet of coins, whose coins differ).
"""

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32, UInt8
from PIL import Image

from zoo.data.made.collage import Look, backdrop, grainy, light, paste, render
from zoo.data.made.collage_track import BACKDROPS, OBJECTS
from zoo.data.made.cutouts import photograph_of

_WIDTH, _HEIGHT = 96, 80
_COUNT = {"train": 240, "test": 40}
_ROOM = 32  # pixels of photograph beyond each side of the picture: no motion uncovers its end
_PAN, _OWN = 8.0, 8.0  # largest shift of the camera and of an object within the picture, pixels, in x and in y
LIST = "FlyingChairs_release_test_train_split.list"

Picture = UInt8[np.ndarray, "h w 3"]


@dataclass(frozen=True)
class _Similarity:
    """z -> turn * z + shift on the points z = x + iy of a picture; pixels have their centres at halves.

    Plain complex numbers, because a matrix product rounds as each processor's BLAS pleases.
    """

    turn: complex = 1
    shift: complex = 0

    def after(self, other: "_Similarity") -> "_Similarity":
        return _Similarity(self.turn * other.turn, self.turn * other.shift + self.shift)

    @property
    def affine(self) -> tuple[float, ...]:
        """Its matrix (a, b, c, d, e, f): x' = ax + by + c, y' = dx + ey + f."""
        turn, shift = complex(self.turn), complex(self.shift)
        return turn.real, -turn.imag, shift.real, turn.imag, turn.real, shift.imag

    @property
    def inverse(self) -> "_Similarity":
        return _Similarity(1 / self.turn, -self.shift / self.turn)


def make(folder: Path) -> None:
    """Write pairs, flows and the split list."""
    flags = []
    for split, count in _COUNT.items():
        for i in range(count):
            first, second, flow = _pair(split, np.random.default_rng([*b"collage-flow", *split.encode(), i]))
            flags.append("1" if split == "train" else "2")
            stem = f"{len(flags):07d}"
            (folder / f"{stem}-img0.ppm").write_bytes(_ppm(first))
            (folder / f"{stem}-img1.ppm").write_bytes(_ppm(second))
            (folder / f"{stem}-gt.flo").write_bytes(_flo(flow))
    (folder / LIST).write_text("".join(f"{flag}\n" for flag in flags), newline="\n")


@dataclass(frozen=True)
class _Layer:
    """A flat thing in RGBA, where it lies in the first picture, and how it moves to the second."""

    thing: UInt8[np.ndarray, "h w 4"]
    place: _Similarity  # thing -> first picture
    motion: _Similarity  # first picture -> second picture

    def seen(self, through: _Similarity) -> UInt8[np.ndarray, "h w 4"]:
        """The thing as the picture shows it, where `through` maps thing to picture."""
        whole = Image.fromarray(self.thing)
        back = through.inverse.affine
        return np.array(whole.transform((_WIDTH, _HEIGHT), Image.Transform.AFFINE, back, Image.Resampling.BILINEAR))


def _pair(split: str, rng: np.random.Generator) -> tuple[Picture, Picture, Float32[np.ndarray, "h w 2"]]:
    """Two pictures, and where each pixel of the first one went."""
    first, second = (np.zeros((_HEIGHT, _WIDTH, 3), np.uint8) for _ in range(2))
    flow = np.zeros((_HEIGHT, _WIDTH, 2), np.float32)
    y, x = np.mgrid[:_HEIGHT, :_WIDTH] + 0.5
    for layer in _layers(split, rng):
        mask = paste(first, layer.seen(layer.place), x=0, y=0)
        paste(second, layer.seen(layer.motion.after(layer.place)), x=0, y=0)
        a, b, c, d, e, f = layer.motion.affine
        flow[mask] = np.stack((a * x + b * y + c - x, d * x + e * y + f - y), axis=2)[mask]
    return grainy(first, rng, grain=4), grainy(second, rng, grain=4), flow


def _layers(split: str, rng: np.random.Generator) -> list[_Layer]:
    """The photograph, then objects from back to front."""
    photograph = str(rng.choice(BACKDROPS[split]))
    scenery = backdrop(photograph, rng, width=_WIDTH + 2 * _ROOM, height=_HEIGHT + 2 * _ROOM)
    opaque = np.dstack((scenery, np.full_like(scenery[..., :1], 255)))
    camera = _motion(rng, about=complex(_WIDTH, _HEIGHT) / 2, shift=_PAN, turn=0.02, growth=0.03)
    layers = [_Layer(opaque, _placed(opaque, complex(_WIDTH, _HEIGHT) / 2, rng), camera)]
    names = [name for name in OBJECTS[split] if photograph_of(name) != photograph]
    for name in rng.permutation(names)[: rng.integers(2, 5)]:
        thing = render(Look(name=str(name), size=int(rng.integers(24, 49)), gain=light(rng, spread=25)))
        centre = complex(rng.uniform(0, _WIDTH), rng.uniform(0, _HEIGHT))
        own = _motion(rng, about=centre, shift=_OWN, turn=0.08, growth=0.08)
        layers.append(_Layer(thing, _placed(thing, centre, rng), camera.after(own)))
    return layers


def _placed(thing: UInt8[np.ndarray, "h w 4"], centre: complex, rng: np.random.Generator) -> _Similarity:
    """Where a thing lies that is turned a little about its centre there."""
    middle = complex(thing.shape[1], thing.shape[0]) / 2
    return _motion(rng, about=centre, shift=0, turn=0.05, growth=0).after(_Similarity(1, centre - middle))


def _motion(rng: np.random.Generator, *, about: complex, shift: float, turn: float, growth: float) -> _Similarity:
    """A random turn by at most 2 arctan `turn` about a point, growth by at most a share, and shift in x and in y."""
    t, scale = rng.uniform(-turn, turn), 1 + rng.uniform(-growth, growth)
    # Rational cosine and sine: the same bits on every machine, which no library's sine promises.
    linear = scale * complex(1 - t * t, 2 * t) / (1 + t * t)
    moved = complex(rng.uniform(-shift, shift), rng.uniform(-shift, shift))
    return _Similarity(linear, about - linear * about + moved)


def _ppm(picture: Picture) -> bytes:
    return b"P6\n%d %d\n255\n" % (picture.shape[1], picture.shape[0]) + picture.tobytes()


def _flo(flow: Float32[np.ndarray, "h w 2"]) -> bytes:
    """Middlebury's format: magic, width, height, then (right, down) of each pixel, little-endian."""
    return b"PIEH" + struct.pack("<ii", flow.shape[1], flow.shape[0]) + flow.astype("<f4").tobytes()
