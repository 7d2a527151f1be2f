"""Between bytes, as pictures are stored, and the range of tanh, as generators make them."""

import torch
from jaxtyping import Float, UInt8
from torch import Tensor


def signed(images: UInt8[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """0 ... 255 as -1 ... 1."""
    return images.float() / 127.5 - 1.0


def dequantised(images: UInt8[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """As `signed`, spread evenly over the width of one value, so that pixels are no lattice; `to_bytes` undoes it."""
    return signed(images) + (torch.rand(images.shape, device=images.device) - 0.5) / 127.5


def to_bytes(pictures: Float[Tensor, "*shape"]) -> UInt8[Tensor, "*shape"]:
    """The inverse of `signed`, rounded and clipped, on the CPU."""
    return ((pictures.float() + 1.0) * 127.5).round().clamp(0, 255).to(torch.uint8).cpu()
