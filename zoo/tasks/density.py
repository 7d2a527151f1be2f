"""Density: how probable a picture is."""

from typing import Protocol

import torch
from jaxtyping import Float64, UInt8


class DensityModel(Protocol):
    """Says how probable a picture of whole values 0 ... 255 is, in nats: never a density. A lower bound will do."""

    def log_likelihood(self, images: UInt8[torch.Tensor, "n c h w"], *, seed: int) -> Float64[torch.Tensor, "n"]: ...
