"""Weights that a new run starts from: published ones in a file, or those of an entry that was trained before.

A file is checked against the hash in its name. Of an entry the network's weights come along, never its optimizer's
state: that belongs to the stage that is over.
"""

from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from zoo.artifact import sha256_of
from zoo.contracts import Upstream
from zoo.data.sources import SOURCES


def start_from(predictor: nn.Module, upstream: Upstream) -> None:
    """Give a learner's predictor the weights of an entry of the same architecture, in place.

    Raises:
        ValueError: it is of another architecture.
    """
    try:
        predictor.load_state_dict(upstream.predictor.state_dict())
    except RuntimeError as error:
        raise ValueError(
            f"{upstream.entry}: expected the network that this recipe starts from, got another one: {error}. "
            "Start from an entry of the same sizes, or change the recipe's sizes to those of the entry."
        ) from error


def published_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a file whose name ends in the first digits of its SHA-256, as torchvision's do.

    Raises:
        ValueError: no such file, or another content than its name says.
    """
    if not path.is_file():
        raise ValueError(
            f"{path}: expected the ImageNet weights that this recipe starts from, but there is no such file. "
            f"{_how_to_get(path)}"
        )
    promised, found = path.stem.rpartition("-")[2], sha256_of(path)
    if not found.startswith(promised):
        raise ValueError(
            f"{path}: expected a SHA-256 that begins with {promised}, as its name says, got {found}. "
            "The file is damaged or another one; fetch it again."
        )
    return cast(dict[str, Tensor], torch.load(path, weights_only=True))


def _how_to_get(path: Path) -> str:
    """By the command that fetches the data set which is this file, if there is one."""
    named = path.parent.name
    if named in SOURCES and path.name in {file.name for file in SOURCES[named].files}:
        return f"Run `zoo data fetch {named}`."
    return f"Fetch https://download.pytorch.org/models/{path.name} and put it there."
