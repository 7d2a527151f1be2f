"""Videos of actions with one label each, whichever layout they come in."""

from pathlib import Path
from typing import Literal

from zoo.data.kinetics import is_kinetics, open_kinetics
from zoo.data.ucf101 import ActionSplit, open_ucf101


def open_actions(folder: Path, part: Literal["train", "test"], *, split: int = 1) -> ActionSplit:
    """What is trained or scored on of a data set in UCF-101's layout or in that of Kinetics, whose test list has no
    labels: its validation list is scored.

    Args:
        split: of UCF-101's three; Kinetics has one.

    Raises:
        ValueError: a list is absent or wrong, a listed video is absent, or both sides share what they must not.
    """
    if not is_kinetics(folder):
        return open_ucf101(folder, part, split=split)
    if split != 1:
        raise ValueError(f"{folder}: expected split=1, the only one that Kinetics has; got {split}.")
    return open_kinetics(folder, "val" if part == "test" else part)
