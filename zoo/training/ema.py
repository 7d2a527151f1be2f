"""The exponential moving average of a network's weights, kept as a module beside it."""

from copy import deepcopy

import torch
from torch import nn


class EMA(nn.Module):
    """`average <- decay * average + (1 - decay) * weights`; buffers are copied.

    Args:
        module: the network to follow; its present weights are the start.
        decay: share of the old average that stays at each update.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        super().__init__()
        self.decay = decay
        self.average = deepcopy(module).requires_grad_(False)

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        """Follow the network's new weights."""
        torch._foreach_lerp_(list(self.average.parameters()), list(module.parameters()), 1 - self.decay)
        for average, buffer in zip(self.average.buffers(), module.buffers(), strict=True):
            average.copy_(buffer)
