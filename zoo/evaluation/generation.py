"""How good drawn pictures are: Fréchet distance, inception score and kernel distance in a named feature space.

FID and IS: Heusel et al. 2017 (eq. 6), Salimans et al. 2016 (section 4); KID: Binkowski et al. 2018 (section 4).
The same samples give other numbers in another feature space, against another reference or with another count, so all
of that is in the protocol. In the space of a small classifier the numbers carry its name: never plain "FID".
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg import LinAlgError, cholesky, eigh, eigvalsh

from zoo.evaluation.scoring import Metric, Units

Float64 = npt.NDArray[np.float64]
SPLITS = 10  # of the inception score


@dataclass(frozen=True)
class SampleQuality:
    """FID, IS and KID from the features and class probabilities of every sample.

    Rows: `features` (n, d) float32, `probabilities` (n, classes) float32. Constants: `reference` (m, d) float32, the
    features of the reference split. Units of two evaluations are not paired.
    """

    space: str = "classifier"
    paired: bool = False

    @property
    def id(self) -> str:
        return f"{self.space}-fid@1"

    @property
    def metrics(self) -> tuple[Metric, ...]:
        return (
            Metric(name=f"{self.space}_FID", unit="", higher_is_better=False, lowest=0.0, highest=math.inf),
            Metric(name=f"{self.space}_IS", unit="", higher_is_better=True, lowest=1.0, highest=math.inf),
            # The unbiased estimate of a squared distance may fall below 0.
            Metric(name=f"{self.space}_KID", unit="", higher_is_better=False, lowest=-math.inf, highest=math.inf),
        )

    def aggregate(self, units: Units, counts: npt.NDArray[np.int64] | None = None) -> dict[str, float]:
        """All three; the Fréchet distance alone under `counts`, which is what a bootstrap ranks by."""
        features, reference = units.rows["features"], units.constants["reference"]
        fid, inception, kid = (metric.name for metric in self.metrics)
        if counts is not None:
            return {fid: frechet_distance(*moments(features, counts), *moments(reference))}
        return {
            fid: frechet_distance(*moments(features), *moments(reference)),
            inception: inception_score(units.rows["probabilities"]),
            kid: kernel_distance(features, reference),
        }


def moments(features: npt.ArrayLike, counts: npt.NDArray[np.int64] | None = None) -> tuple[Float64, Float64]:
    """Mean (d,) and covariance (d, d) of features (n, d), row i counted `counts[i]` times."""
    values = np.asarray(features, dtype=np.float64)
    mean = np.average(values, axis=0, weights=counts)
    return mean, np.atleast_2d(np.cov(values, rowvar=False, fweights=counts))


def frechet_distance(mean: Float64, covariance: Float64, other_mean: Float64, other: Float64) -> float:
    """|m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)), squared distance of two Gaussians, at least 0.

    The eigenvalues of S1 S2 are those of L' S2 L with S1 = L L', a symmetric matrix: one factorisation and one
    `eigvalsh` in float64 instead of the square root of a product that is not symmetric.
    """
    factor = _factor(covariance)
    eigenvalues = eigvalsh(factor.T @ other @ factor)
    root_trace = np.sqrt(np.clip(eigenvalues, 0.0, None)).sum()
    difference = mean - other_mean
    distance = difference @ difference + np.trace(covariance) + np.trace(other) - 2.0 * root_trace
    return max(0.0, float(distance))


def _factor(covariance: Float64) -> Float64:
    """L with L L' = the covariance, which may be singular (a feature that never moves)."""
    try:
        return np.asarray(cholesky(covariance, lower=True))
    except LinAlgError:
        values, vectors = eigh(covariance)
        return np.asarray(vectors * np.sqrt(np.clip(values, 0.0, None)))


def inception_score(probabilities: npt.ArrayLike, splits: int = SPLITS) -> float:
    """exp(E KL(p(y|x) || p(y))), the mean over so many consecutive splits; between 1 and the number of classes."""
    scores = []
    for part in np.array_split(np.asarray(probabilities, dtype=np.float64), splits):
        marginal = part.mean(axis=0)
        ratio = np.log(part, where=part > 0, out=np.zeros_like(part)) - np.log(np.maximum(marginal, 1e-300))
        scores.append(math.exp((part * ratio).sum(axis=1).mean()))
    return float(np.mean(scores))


def kernel_distance(features: npt.ArrayLike, reference: npt.ArrayLike) -> float:
    """Unbiased squared MMD under the kernel (x . y / d + 1)^3, over all samples (no subsets, so no seed)."""
    x, y = np.asarray(features, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    n, m, d = len(x), len(y), x.shape[1]
    within_x, within_y, across = ((a @ b.T / d + 1.0) ** 3 for a, b in ((x, x), (y, y), (x, y)))
    inside = (within_x.sum() - np.trace(within_x)) / (n * (n - 1)) + (within_y.sum() - np.trace(within_y)) / (
        m * (m - 1)
    )
    return float(inside - 2.0 * across.mean())
