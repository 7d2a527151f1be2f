"""Whether weights that were trained again are the registered ones.

On the CPU they are the same bits. On a GPU some kernels add in no fixed order (bilinear interpolation's gradient, NLL
loss over pictures, pooling in 3-D, grid sampling), so every step rounds differently and the weights drift apart: what
comes out is compared tensor by tensor, within a tolerance.
"""

import math
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.artifact import sha256_of

if TYPE_CHECKING:
    from torch import Tensor

TOLERANCE = 0.1  # |again - registered| / |registered| of a tensor, Euclidean


def compare(registered: Path, again: Path, *, device: str) -> str:
    """How the weights in two safetensors files agree, in words.

    Args:
        device: the registered ones were trained on.

    Raises:
        ValueError: they do not; the message says where.
    """
    if sha256_of(registered) == sha256_of(again):
        return "bit for bit"
    if not device.startswith("cuda"):
        raise ValueError(f"SHA-256 {sha256_of(again)[:12]}, not {sha256_of(registered)[:12]}")
    distance, name = farthest(registered, again)
    if not distance <= TOLERANCE:
        raise ValueError(f"{name} is {distance:.2g} of its length away, more than the {TOLERANCE:g} a GPU may cause")
    return f"within {distance:.2g} of each tensor's length (on a GPU {TOLERANCE:g} may be)"


def farthest(registered: Path, again: Path) -> tuple[float, str]:
    """The tensor that is farthest from the registered one, and how far, as a share of that one's length.

    Raises:
        ValueError: names, types or shapes differ.
    """
    from safetensors.torch import load_file  # with torch, because numpy has no bfloat16

    old, new = load_file(registered), load_file(again)
    kinds = [{name: (value.dtype, value.shape) for name, value in weights.items()} for weights in (old, new)]
    if kinds[0] != kinds[1]:
        differing = sorted(name for name, _ in kinds[0].items() ^ kinds[1].items())
        raise ValueError(f"tensors of other names, types or shapes: {', '.join(differing)}")
    distances = {name: _distance(old[name], new[name]) for name in old}
    name = max(distances, key=lambda each: distances[each])
    return distances[name], name


def _distance(old: "Tensor", new: "Tensor") -> float:
    if old.equal(new):
        return 0.0
    share = float((new.double() - old.double()).norm() / old.double().norm())
    return math.inf if math.isnan(share) else share
