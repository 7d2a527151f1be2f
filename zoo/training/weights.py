"""Published weights that a recipe starts from: a file that a person brings, checked against the hash in its name."""

from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from zoo.artifact import sha256_of


def published_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a file whose name ends in the first digits of its SHA-256, as torchvision's do.

    Raises:
        ValueError: no such file, or another content than its name says.
    """
    if not path.is_file():
        raise ValueError(
            f"{path}: expected the ImageNet weights that this recipe starts from, but there is no such file. "
            f"Fetch https://download.pytorch.org/models/{path.name} and put it there."
        )
    promised, found = path.stem.rpartition("-")[2], sha256_of(path)
    if not found.startswith(promised):
        raise ValueError(
            f"{path}: expected a SHA-256 that begins with {promised}, as its name says, got {found}. "
            "The file is damaged or another one; fetch it again."
        )
    return cast(dict[str, Tensor], torch.load(path, weights_only=True))
