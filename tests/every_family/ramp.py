"""Weights and pictures that anybody can make again from whole numbers: no generator, no training, no file.

A network with these weights answers neither zero nor with everything saturated, and a change of any of its layers
changes what it answers.
"""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

PRIME = 10_007  # the values of k^2 modulo a prime are spread evenly, and rows of k^2 are alike in no two channels
BLOCK = 4  # pixels


def ramp(shapes: Mapping[str, tuple[tuple[int, ...], torch.dtype]]) -> dict[str, Tensor]:
    """A value for every tensor of a `state_dict()`, by its place among the sorted names and its shape."""
    return {name: _tensor(name, *shapes[name], place=place) for place, name in enumerate(sorted(shapes))}


def shapes_of(state: Mapping[str, Tensor]) -> dict[str, tuple[tuple[int, ...], torch.dtype]]:
    """What `ramp` needs to know of a `state_dict()`."""
    return {name: (tuple(value.shape), value.dtype) for name, value in state.items()}


def pictures(*shape: int) -> Tensor:
    """Bytes in which no two places look alike."""
    count = torch.arange(math.prod(shape))
    return (4567 * count * (count + 3) % PRIME % 256).to(torch.uint8).view(shape)


def video(frames: int, height: int, width: int, *, moving: tuple[int, int] = (1, 2)) -> Tensor:
    """Frames (n, 3, h, w) of a smooth scene that goes up and left by so many pixels a frame."""
    down, right = moving
    tall, wide = height + frames * down, width + frames * right
    blocks = pictures(3, tall // BLOCK + 2, wide // BLOCK + 2).long()
    sharp = blocks.repeat_interleave(BLOCK, dim=1).repeat_interleave(BLOCK, dim=2)
    scene = sharp.unfold(1, BLOCK, 1).unfold(2, BLOCK, 1).sum(dim=(-2, -1)) // BLOCK**2  # linear between blocks
    shown = [scene[:, i * down : i * down + height, i * right : i * right + width] for i in range(frames)]
    return torch.stack(shown).to(torch.uint8)


def _tensor(name: str, shape: tuple[int, ...], dtype: torch.dtype, *, place: int) -> Tensor:
    if not dtype.is_floating_point:
        return torch.ones(shape, dtype=dtype)
    values = _spread(shape, place=place)
    if name.endswith("running_var"):
        values = values.abs() + 0.5
    elif len(shape) > 1:
        values = values * math.sqrt(4.5 / math.prod(shape[1:]))  # keeps the size of what passes through
    elif name.endswith("weight"):
        values = 1 + values / 4  # a normalisation's gain
    else:
        values = values / 10  # a bias, a mean
    return values.to(dtype)


def _spread(shape: tuple[int, ...], *, place: int) -> Tensor:
    """Between -1 and 1, exact until the division."""
    count = torch.arange(math.prod(shape), dtype=torch.int64)
    mixed = 4567 * count * count + (2311 + 17 * place) * count + 997 * place
    return ((mixed % PRIME).double() / (PRIME // 2) - 1).view(shape)
