"""Published numbers, to print beside ours. Torch-free: the leaderboard reads them without importing a family."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Target:
    """A published number to print beside ours."""

    metric: str
    value: float
    dataset: str
    source: str  # paper and table, or who reproduced it
    protocol: str = ""  # ours, where it is the same; empty: protocol differs
