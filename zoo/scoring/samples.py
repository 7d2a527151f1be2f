"""How good drawn pictures are: Fréchet distance, inception score and kernel distance in a named feature space.

FID and IS: Heusel et al. 2017 (eq. 6), Salimans et al. 2016 (section 4); KID: Binkowski et al. 2018 (section 4).
The same samples give other numbers in another feature space, against another reference or with another count, so all
of that is in the protocol. In the space of a small classifier the numbers carry its name: never plain "FID".
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from jaxtyping import Float64
from scipy.linalg import LinAlgError, cholesky, eigh, eigvalsh, qr
from scipy.linalg.blas import dsyrk
from scipy.linalg.lapack import dsygst

from zoo.scoring.metrics import Metric
from zoo.scoring.units import Units

SPLITS = 10  # of the inception score
TINY = np.finfo(np.float64).tiny
ROWS_AT_ONCE = 1024  # of a large set, so that no matrix grows with it


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
            return {fid: distance_between(features, reference, counts)}
        return {
            fid: distance_between(features, reference),
            inception: inception_score(units.rows["probabilities"]),
            kid: kernel_distance(features, reference),
        }


@dataclass(frozen=True)
class InceptionQuality:
    """FID, IS and KID in the space of the Inception network that published numbers are made with.

    Features of 50,000 samples would be 400 MB, so the units are ten consecutive parts of the samples, each reduced to
    its own three scores. Rows: `fid`, against the whole reference; `log_is`, of one split (equal to those that
    Salimans et al. average over); `kid`, of one subset (Binkowski et al., section 4, average over such). Constants:
    `fid` (1,) of all samples together, from streamed moments.
    """

    id: str = "inception@1"
    paired: bool = False
    metrics: tuple[Metric, ...] = (
        Metric(name="FID", unit="", higher_is_better=False, lowest=0.0, highest=math.inf),
        Metric(name="IS", unit="", higher_is_better=True, lowest=1.0, highest=math.inf),
        Metric(name="KID", unit="", higher_is_better=False, lowest=-math.inf, highest=math.inf),
    )

    def aggregate(self, units: Units, counts: npt.NDArray[np.int64] | None = None) -> dict[str, float]:
        """All three. Under `counts` the FID moves as the mean of its parts does, whose bias is all the same."""
        rows = units.rows
        shift = np.average(rows["fid"], weights=counts) - rows["fid"].mean()
        return {
            "FID": max(0.0, float(units.constants["fid"][0] + shift)),
            "IS": float(np.average(np.exp(rows["log_is"]), weights=counts)),
            "KID": float(np.average(rows["kid"], weights=counts)),
        }


class Moments:
    """Count, mean (d,) and scatter (d, d) of features that come by parts, in float64, none of them kept.

    Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances", 1979.
    """

    def __init__(self, dimensions: int) -> None:
        self.count, self.mean, self.scatter = 0, np.zeros(dimensions), np.zeros((dimensions, dimensions))

    def add(self, features: npt.ArrayLike) -> None:
        """Take in a part, (n, d); parts of at least d rows cost the least."""
        values = np.asarray(features, dtype=np.float64)
        part = Moments(values.shape[1])
        part.count, part.mean = len(values), values.mean(axis=0)
        centred = values - part.mean
        part.scatter = centred.T @ centred
        self.merge(part)

    def merge(self, other: "Moments") -> None:
        """Take in what others have counted."""
        count, difference = self.count + other.count, other.mean - self.mean
        self.scatter += other.scatter + np.outer(difference, difference) * (self.count * other.count / count)
        self.mean = self.mean + difference * (other.count / count)
        self.count = count

    @property
    def covariance(self) -> Float64[np.ndarray, "d d"]:
        """The unbiased one."""
        return self.scatter / (self.count - 1)


def distance_between(
    features: npt.ArrayLike, reference: npt.ArrayLike, counts: npt.NDArray[np.int64] | None = None
) -> float:
    """Fréchet distance of two sets of features, (n, d) and (m, d), row i of the first counted `counts[i]` times.

    With fewer rows than dimensions no covariance is needed: where S1 = A'A and S2 = B'B for the centred, scaled
    features A and B, tr (S1 S2)^(1/2) is the nuclear norm of AB', a matrix no larger than the smaller set.
    """
    a, b = np.asarray(features), np.asarray(reference)
    if min(len(a), len(b)) >= a.shape[1]:
        return frechet_distance(*_half_moments(a, counts), *_half_moments(b))
    (mean, a), (other_mean, b) = _centred(a.astype(np.float64), counts), _centred(b.astype(np.float64))
    few, many = sorted((a, b), key=len)
    gram = np.zeros((len(few), len(few)))
    for start in range(0, len(many), ROWS_AT_ONCE):
        across = few @ many[start : start + ROWS_AT_ONCE].T
        gram += across @ across.T
    nuclear_norm = np.sqrt(np.clip(eigvalsh(gram), 0.0, None)).sum()
    difference = mean - other_mean
    return max(0.0, float(difference @ difference + np.vdot(a, a) + np.vdot(b, b) - 2.0 * nuclear_norm))


def _centred(
    values: Float64[np.ndarray, "n d"], counts: npt.NDArray[np.int64] | None = None
) -> tuple[Float64[np.ndarray, "d"], Float64[np.ndarray, "n d"]]:
    """The mean, and A with A'A = the covariance."""
    mean = np.average(values, axis=0, weights=counts)
    centred = values - mean
    centred *= np.sqrt(1 / (len(values) - 1) if counts is None else counts[:, None] / (counts.sum() - 1))
    return mean, centred


def moments(
    features: npt.ArrayLike, counts: npt.NDArray[np.int64] | None = None
) -> tuple[Float64[np.ndarray, "d"], Float64[np.ndarray, "d d"]]:
    """Mean and covariance of features (n, d), row i counted `counts[i]` times."""
    mean, half = _half_moments(features, counts)
    return mean, half + np.tril(half, -1).T


def _half_moments(
    features: npt.ArrayLike, counts: npt.NDArray[np.int64] | None = None
) -> tuple[Float64[np.ndarray, "d"], Float64[np.ndarray, "d d"]]:
    """The same, the covariance's upper half left zero: nothing below reads it."""
    values = np.asarray(features)
    total = len(values) if counts is None else counts.sum()
    mean = values.mean(axis=0, dtype=np.float64) if counts is None else counts @ values.astype(np.float64) / total
    half = np.zeros((values.shape[1],) * 2, order="F")
    for start in range(0, len(values), ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        centred = values[rows] - mean
        if counts is not None:
            centred *= np.sqrt(counts[rows, None])
        half = dsyrk(1 / (total - 1), centred.T, beta=1.0, c=half, lower=1, overwrite_c=1)
    return mean, half


def frechet_distance(
    mean: Float64[np.ndarray, "d"],
    covariance: Float64[np.ndarray, "d d"],
    other_mean: Float64[np.ndarray, "d"],
    other: Float64[np.ndarray, "d d"],
) -> float:
    """|m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)), squared distance of two Gaussians, at least 0.

    The eigenvalues of S1 S2 are those of L' S2 L with S1 = L L', a symmetric matrix: one factorisation and one
    `eigvalsh` in float64 instead of the square root of a product that is not symmetric. Of each covariance the lower
    half is read.
    """
    return distance_to(mean, factor_of(covariance), other_mean, other)


def distance_to(
    mean: Float64[np.ndarray, "d"],
    factor: Float64[np.ndarray, "d d"],
    other_mean: Float64[np.ndarray, "d"],
    other: Float64[np.ndarray, "d d"],
) -> float:
    """`frechet_distance` to a reference whose covariance is already factored: most of the work is done once."""
    product, _ = dsygst(other, factor, itype=2, lower=1)  # L' S L, half of it
    eigenvalues = eigvalsh(product, lower=True, overwrite_a=True, check_finite=False)
    root_trace = np.sqrt(np.clip(eigenvalues, 0.0, None)).sum()
    difference = mean - other_mean
    distance = difference @ difference + np.vdot(factor, factor) + np.trace(other) - 2.0 * root_trace
    return max(0.0, float(distance))


def factor_of(covariance: Float64[np.ndarray, "d d"]) -> Float64[np.ndarray, "d d"]:
    """Lower triangular L with L L' = the covariance, which may be singular (a feature that never moves)."""
    try:
        return np.asarray(cholesky(covariance, lower=True))
    except LinAlgError:
        values, vectors = eigh(covariance)
        root = vectors * np.sqrt(np.clip(values, 0.0, None))
        return np.asarray(qr(root.T, mode="r")[0].T)


def inception_score(probabilities: npt.ArrayLike, splits: int = SPLITS) -> float:
    """exp(E KL(p(y|x) || p(y))), the mean over so many consecutive splits; between 1 and the number of classes."""
    scores = []
    for part in np.array_split(np.asarray(probabilities, dtype=np.float64), splits):
        marginal = part.mean(axis=0)
        ratio = np.log(part, where=part > 0, out=np.zeros_like(part)) - np.log(np.maximum(marginal, TINY))
        scores.append(math.exp((part * ratio).sum(axis=1).mean()))
    return float(np.mean(scores))


def kernel_distance(features: npt.ArrayLike, reference: npt.ArrayLike) -> float:
    """Unbiased squared MMD under the kernel (x . y / d + 1)^3, over all samples (no subsets, so no seed)."""
    x, y = np.asarray(features, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    n, m = len(x), len(y)
    within_x, within_y = ((_kernel_sum(a, a) - _kernel_trace(a)) / (len(a) * (len(a) - 1)) for a in (x, y))
    return within_x + within_y - 2.0 * _kernel_sum(x, y) / (n * m)


def _kernel_sum(x: Float64[np.ndarray, "n d"], y: Float64[np.ndarray, "m d"]) -> float:
    """Sum of the kernel over all pairs, some rows at a time: all pairs of 60,000 samples would take 29 GB."""
    rows = (x[start : start + ROWS_AT_ONCE] for start in range(0, len(x), ROWS_AT_ONCE))
    return float(sum(((part @ y.T / x.shape[1] + 1.0) ** 3).sum() for part in rows))


def _kernel_trace(x: Float64[np.ndarray, "n d"]) -> float:
    """Sum of the kernel of each sample with itself."""
    return float((((x**2).sum(axis=1) / x.shape[1] + 1.0) ** 3).sum())
