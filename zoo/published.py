"""Numbers to print beside ours: published ones, and what was asked of a family beforehand. Torch-free."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Target:
    """A published number to print beside ours."""

    metric: str
    value: float
    dataset: str  # the folder, or where that holds several data sets, the split as in a protocol: `sintel-clean`
    source: str  # paper and table, or who reproduced it
    protocol: str = ""  # ours, where it is the same; empty: protocol differs
    data_digest: str = ""  # of the data it was measured on, as the zoo counts it; empty: not known


@dataclass(frozen=True, kw_only=True)
class Ask:
    """What a recipe of a family is to reach, set beforehand; whether that is a least or a most is the metric's.

    A control cannot see what the data set asks about: it is not to get beyond the value.
    """

    metric: str
    value: float
    recipe: str = "mini"
    control: bool = False
