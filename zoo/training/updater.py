"""An optimizer as a module: `updater(loss)` is one whole update, and its state is part of the learner's.

Because the state travels in `state_dict()`, a checkpoint of the learner is a checkpoint of everything.
"""

import inspect
from collections.abc import Callable, Iterable
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

Schedule = Callable[[int], float]
"""Updates done so far -> factor on the learning rate."""


class Updater(nn.Module):
    """Clears gradients, goes backward, clips, steps; fused wherever the optimizer offers it.

    Args:
        parameters: what it moves (parameters, or parameter groups with options of their own).
        optimizer: its class, as in `torch.optim`; `options` go to it.
        schedule: factor on every group's learning rate, from the number of updates done.
        clip: largest allowed L2 norm of all gradients together.
        clip_value: largest allowed size of each gradient.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter] | Iterable[dict[str, Any]],
        optimizer: Callable[..., Optimizer],
        *,
        schedule: Schedule | None = None,
        clip: float | None = None,
        clip_value: float | None = None,
        **options: Any,
    ) -> None:
        super().__init__()
        if "fused" in inspect.signature(optimizer).parameters:
            options.setdefault("fused", True)
        self.optimizer = optimizer(list(parameters), **options)
        self.schedule = schedule
        self.clip, self.clip_value = clip, clip_value
        self.updates = 0
        self._rates = [group["lr"] for group in self.optimizer.param_groups]

    def forward(self, loss: Tensor) -> None:
        """One update from the gradient of `loss`."""
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        moved = [p for group in self.optimizer.param_groups for p in group["params"]]
        if self.clip_value is not None:
            nn.utils.clip_grad_value_(moved, self.clip_value)
        if self.clip is not None:
            nn.utils.clip_grad_norm_(moved, self.clip)
        if self.schedule is not None:
            factor = self.schedule(self.updates)
            for group, rate in zip(self.optimizer.param_groups, self._rates, strict=True):
                group["lr"] = rate * factor
        self.optimizer.step()
        self.updates += 1

    def get_extra_state(self) -> dict[str, Any]:
        return {"optimizer": self.optimizer.state_dict(), "updates": self.updates}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        self.optimizer.load_state_dict(state["optimizer"])
        self.updates = state["updates"]


def linear_decay(updates: int) -> Schedule:
    """From 1 down to 0 over so many updates."""
    return lambda done: max(0.0, 1.0 - done / updates)


def polynomial_decay(updates: int, power: float) -> Schedule:
    """(1 - done / updates) ** power."""
    return lambda done: max(0.0, 1.0 - done / updates) ** power
