"""Action recognition: what is done in a clip."""

from typing import Protocol

import torch
from jaxtyping import Float, UInt8

from zoo.facts import Facts


class ActionFacts(Facts):
    """The names of the actions, in the order of their labels."""

    classes: tuple[str, ...]


class ActionRecogniser(Protocol):
    """Names what is done in a clip of consecutive frames."""

    @property
    def clip_length(self) -> int:
        """How many frames it looks at."""
        ...

    def probabilities(self, clips: UInt8[torch.Tensor, "n 3 clip_length h w"]) -> Float[torch.Tensor, "n classes"]: ...
