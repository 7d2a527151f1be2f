"""The optimizer as a number of a recipe: seven rules by name, under one learning rate and one schedule.

All are torch's. Momentum is kept without the rate in it (v = mu v + g; p -= rate v), as torch keeps it; Caffe and
CS231n keep it with, and part from this where the rate changes. Weight decay is added to the gradient, and by `adamw`
taken off the weights (Loshchilov and Hutter, ICLR 2019).
"""

from typing import Any, Literal

import torch
from pydantic import Field
from torch import nn
from torch.optim import Optimizer

from zoo.contracts import Recipe
from zoo.training.updater import Schedule, Updater, cosine_decay, linear_decay, warmed

Rule = Literal["sgd", "momentum", "nesterov", "rmsprop", "adagrad", "adam", "adamw"]
RULES: dict[Rule, type[Optimizer]] = {
    "sgd": torch.optim.SGD,
    "momentum": torch.optim.SGD,
    "nesterov": torch.optim.SGD,
    "rmsprop": torch.optim.RMSprop,
    "adagrad": torch.optim.Adagrad,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
}


class Optimized(Recipe):
    """How weights move; the defaults are those that the rules' authors or torch give."""

    optimizer: Rule = "adam"
    learning_rate: float = Field(1e-3, gt=0)
    schedule: Literal["constant", "linear", "cosine"] = Field("constant", description="how the rate falls, to 0")
    warmup: int = Field(0, ge=0, description="updates over which the rate rises from 0 first")
    momentum: float = Field(0.9, gt=0, lt=1, description="of momentum and nesterov")
    betas: tuple[float, float] = Field((0.9, 0.999), description="of adam and adamw (Kingma and Ba, ICLR 2015)")
    square_decay: float = Field(0.99, gt=0, lt=1, description="of rmsprop's mean square (torch)")
    weight_decay: float = Field(0.0, ge=0, description="of kernels and matrices, not of biases and gains")
    clip: float | None = Field(None, gt=0, description="largest norm of the gradient; none: as it is")

    def updater(self, network: nn.Module) -> Updater:
        """What moves a network's weights as this recipe says."""
        moved = [parameter for parameter in network.parameters() if parameter.requires_grad]
        groups = [
            {"params": [p for p in moved if _is_kernel(p)], "weight_decay": self.weight_decay},
            {"params": [p for p in moved if not _is_kernel(p)], "weight_decay": 0.0},
        ]
        return Updater(
            [group for group in groups if group["params"]],
            RULES[self.optimizer],
            lr=self.learning_rate,
            schedule=self._factor(),
            clip=self.clip,
            **self._options(),
        )

    def _options(self) -> dict[str, Any]:
        """What the rule takes besides rate and decay."""
        match self.optimizer:
            case "momentum" | "nesterov":
                return {"momentum": self.momentum, "nesterov": self.optimizer == "nesterov"}
            case "rmsprop":
                return {"alpha": self.square_decay}
            case "adam" | "adamw":
                return {"betas": self.betas}
            case _:
                return {}

    def _factor(self) -> Schedule | None:
        falling = max(1, self.steps - self.warmup)
        decays = {"constant": lambda _: 1.0, "linear": linear_decay(falling), "cosine": cosine_decay(falling)}
        if self.schedule == "constant" and not self.warmup:
            return None
        return warmed(decays[self.schedule], self.warmup)


def _is_kernel(parameter: nn.Parameter) -> bool:
    """Whether it has more than one axis: neither a bias nor a gain, in whichever shape it is added or multiplied."""
    return sum(length > 1 for length in parameter.shape) > 1
