"""Action recognition: what is done in a clip."""

from typing import Protocol

import torch
from jaxtyping import Float, UInt8

from zoo.facts import Facts


class ActionFacts(Facts):
    """The names of the actions, in the order of their labels."""

    classes: tuple[str, ...]


class ActionRecogniser(Protocol):
    """Names what is done in a clip of consecutive frames.

    Device: clips and probabilities lie where the weights are.
    Randomness: none; the same clip gets the same probabilities.
    Example:
        >>> import torch, zoo
        >>> recogniser = zoo.load("c3d")
        >>> clips = torch.zeros(2, 3, recogniser.clip_length, 64, 80, dtype=torch.uint8)
        >>> recogniser.probabilities(clips).shape
        torch.Size([2, 8])
    """

    @property
    def clip_length(self) -> int:
        """How many consecutive frames it looks at, at the rate of the video."""
        ...

    def probabilities(self, clips: UInt8[torch.Tensor, "n 3 clip_length h w"]) -> Float[torch.Tensor, "n classes"]:
        """How likely each action is.

        Args:
            clips: RGB, 0 ... 255, frames in their order; of any height and width.

        Returns:
            0 ... 1, summing to 1 for each clip; classes in the order of the training data's labels.
        """
        ...
