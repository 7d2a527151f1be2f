"""How many bits a model needs to say a picture: the negative log2-likelihood of 8-bit data, per dimension.

The likelihood is a probability of whole values 0 ... 255, never a density, which would depend on the scale of the
pixels and has no bound on constant ones. Theis et al. 2016, A note on the evaluation of generative models, section 3.1.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from zoo.scoring.metrics import Metric
from zoo.scoring.units import Units


@dataclass(frozen=True)
class BitsPerDimension:
    """Bits of all pictures over dimensions of all pictures.

    Rows: `id` (n,) str, `bits` (n,) float64, -log2 of a picture's probability or an upper bound of it, `exact` (n,)
    bool, which of the two it is, `dimensions` (n,) int64, channels x height x width.
    """

    id: str = "bpd@1"
    paired: bool = True
    metrics: tuple[Metric, ...] = (
        # 0: a picture that was certain. Above 8 a model is worse than none, which is possible.
        Metric(name="bits_per_dim", unit="bit", higher_is_better=False, lowest=0.0, highest=math.inf),
    )

    def aggregate(self, units: Units, counts: npt.NDArray[np.int64] | None = None) -> dict[str, float]:
        bits, dimensions = units.rows["bits"], units.rows["dimensions"]
        weights = np.ones(len(bits)) if counts is None else counts.astype(np.float64)
        return {"bits_per_dim": float((weights @ bits) / (weights @ dimensions))}
