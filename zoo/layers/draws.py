"""What generators are fed and how their pictures leave them, where z is uniform."""

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from zoo.layers.pixels import to_bytes


def uniform(
    count: int, latent: int, *, like: Tensor, generator: torch.Generator | None = None
) -> Float[Tensor, "count latent"]:
    """z in [-1, 1] where a tensor lies, from the global generator of its device unless one of the CPU is given."""
    drawn_on = "cpu" if generator else like.device
    return torch.rand(count, latent, generator=generator, device=drawn_on).to(like.device) * 2.0 - 1.0


@torch.inference_mode()
def pictures_of(network: nn.Module, *fed: Tensor) -> UInt8[Tensor, "n c h w"]:
    """What a generator makes of its inputs in evaluation mode, which it is not left in."""
    was_training = network.training
    pictures = network.eval()(*fed)
    network.train(was_training)
    return to_bytes(pictures)
