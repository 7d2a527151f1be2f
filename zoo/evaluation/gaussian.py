"""The floors of models of pictures: Gaussians of the training pixels, the best that know only two moments.

Where a picture has more than `DIMENSIONS` numbers their full covariance is never formed (that of 128 x 128 x 3 would
take 19 GB): draws come from the Gaussian through fewer pictures, densities are independent from pixel to pixel. The
floor's name says which.
"""

import math

import numpy as np
import torch
from jaxtyping import Float64, UInt8
from scipy.linalg import cho_factor, cho_solve
from torch import Tensor

from zoo.tasks.density import DensityModel
from zoo.tasks.sampling import Sampler

DIMENSIONS = 4096  # of a full covariance, which takes 128 MiB then
NUMBERS = 2**26  # that the pictures of `GaussianThroughPictures` have together: 256 MiB


def gaussian_sampler(images: UInt8[np.ndarray, "n c h w"]) -> tuple[str, Sampler]:
    """The best sampler that knows two moments of the training pictures, as far as memory goes, and its name."""
    if images[0].size <= DIMENSIONS:
        return "Gaussian of the pixels", PixelGaussian(images)
    through = GaussianThroughPictures(images, count=max(2, NUMBERS // images[0].size))
    return f"Gaussian through {len(through.centred)} training pictures", through


def gaussian_density(images: UInt8[np.ndarray, "n c h w"]) -> tuple[str, DensityModel]:
    """The best density that knows two moments of the training pictures, as far as memory goes, and its name."""
    if images[0].size <= DIMENSIONS:
        return "Gaussian of the pixels", GaussianDensity(images)
    return "independent Gaussian pixels", IndependentDensity(images)


class PixelGaussian:
    """Draws from the Gaussian with the mean and the full covariance of pictures."""

    def __init__(self, images: UInt8[np.ndarray, "n c h w"]) -> None:
        self.shape = images.shape[1:]
        pixels = images.reshape(len(images), -1).astype(np.float64)
        self.mean, covariance = pixels.mean(axis=0), np.cov(pixels, rowvar=False)
        values, vectors = np.linalg.eigh(covariance)
        self.factor = vectors * np.sqrt(np.clip(values, 0.0, None))

    def sample(self, count: int, *, seed: int) -> UInt8[Tensor, "count c h w"]:
        """Pictures, rounded and clipped to 0 ... 255."""
        noise = np.random.default_rng(seed).normal(size=(count, len(self.mean)))
        return _pictures(self.mean + noise @ self.factor.T, self.shape)


class GaussianThroughPictures:
    """Draws from the Gaussian with the mean and covariance of some pictures, from these themselves.

    With A their centred pixels, A'z / sqrt(n - 1) has the covariance A'A / (n - 1) where z is normal.

    Args:
        count: how many, spread over all.
    """

    def __init__(self, images: UInt8[np.ndarray, "n c h w"], *, count: int) -> None:
        self.shape = images.shape[1:]
        chosen = np.linspace(0, len(images) - 1, num=min(count, len(images)), dtype=int)
        pixels = images[chosen].reshape(len(chosen), -1).astype(np.float32)
        self.mean = pixels.mean(axis=0, dtype=np.float64).astype(np.float32)
        self.centred = pixels - self.mean

    def sample(self, count: int, *, seed: int) -> UInt8[Tensor, "count c h w"]:
        """Pictures, rounded and clipped to 0 ... 255."""
        noise = np.random.default_rng(seed).standard_normal((count, len(self.centred)), dtype=np.float32)
        return _pictures(self.mean + noise @ self.centred / math.sqrt(len(self.centred) - 1), self.shape)


class GaussianDensity:
    """The Gaussian with the mean and the full covariance of pictures, as a probability of whole values.

    With u uniform in [0, 1), log P(x) >= E_u log N(x + u), which has a closed form (Theis et al. 2016, eq. 3): the
    trace of the precision over 12 on top of the quadratic form at x + 1/2. The moments are those of x + u too.
    """

    exact = False

    def __init__(self, images: UInt8[np.ndarray, "n c h w"]) -> None:
        pixels = images.reshape(len(images), -1).astype(np.float64)
        self.mean = pixels.mean(axis=0) + 0.5
        covariance = np.cov(pixels, rowvar=False, bias=True) + np.eye(pixels.shape[1]) / 12.0
        self.factor = cho_factor(covariance, lower=True)
        blur = np.trace(cho_solve(self.factor, np.eye(len(self.mean)))) / 12.0
        volume = 2.0 * np.log(np.diag(self.factor[0])).sum() + len(self.mean) * math.log(2.0 * math.pi)
        self.constant = -0.5 * (volume + blur)

    def log_likelihood(self, images: UInt8[Tensor, "n c h w"], *, seed: int) -> Float64[Tensor, "n"]:  # noqa: ARG002
        """The lower bound in nats; exact, so the seed decides nothing."""
        difference = images.flatten(1).double().numpy() + 0.5 - self.mean
        quadratic = (difference * cho_solve(self.factor, difference.T).T).sum(axis=1)
        return torch.from_numpy(self.constant - 0.5 * quadratic)


class IndependentDensity:
    """The same with a covariance that is 0 between pixels: mean and variance of each are all it takes."""

    exact = False

    def __init__(self, images: UInt8[np.ndarray, "n c h w"]) -> None:
        pixels = images.reshape(len(images), -1)
        mean = pixels.mean(axis=0, dtype=np.float64)
        squares = sum(part.astype(np.float64) ** 2 for part in pixels) / len(pixels)
        self.mean, self.variance = mean + 0.5, squares - mean**2 + 1.0 / 12.0
        self.constant = -0.5 * (np.log(2.0 * math.pi * self.variance) + 1.0 / (12.0 * self.variance)).sum()

    def log_likelihood(self, images: UInt8[Tensor, "n c h w"], *, seed: int) -> Float64[Tensor, "n"]:  # noqa: ARG002
        """The lower bound in nats; exact, so the seed decides nothing."""
        difference = images.flatten(1).double().numpy() + 0.5 - self.mean
        return torch.from_numpy(self.constant - 0.5 * (difference**2 / self.variance).sum(axis=1))


def _pictures(pixels: np.ndarray, shape: tuple[int, ...]) -> UInt8[Tensor, "n c h w"]:
    return torch.from_numpy(np.clip(np.rint(pixels), 0, 255).astype(np.uint8).reshape(-1, *shape))
