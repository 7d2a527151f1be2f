"""Benchmark for models that say how probable a picture is: bits per dimension of the test split."""

import math
from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Float64, UInt8
from scipy.linalg import cho_factor, cho_solve

from zoo.contracts import Inputs, Picture
from zoo.data.labelled import open_labelled
from zoo.evaluation.sampling import grid
from zoo.scoring.likelihood import BitsPerDimension
from zoo.scoring.units import Units
from zoo.tasks import DensityModel

AT_ONCE = 500


class DensityBenchmark:
    """Bits per dimension of 8-bit test pictures: an upper bound (`:bound`), as neither a VAE nor its floor knows more.

    Pictures that use few of the 256 values (`digits` has 17) can be said in fewer bits by a model that knows which. No
    continuous density does, neither the floor nor a Gaussian decoder: on such data, compare these with each other.
    """

    def __init__(self, dataset: str, inputs: Inputs) -> None:
        self.scoring = BitsPerDimension()
        self.protocol = f"{dataset}-test/{self.scoring.id}:bound"
        folder = inputs.dataset(dataset)
        self.images = torch.from_numpy(open_labelled(folder, "test").images)
        self.training = open_labelled(folder, "train").images

    @torch.inference_mode()
    def evaluate(self, predictor: DensityModel) -> Units:
        """Bits of every test picture."""
        parts = self.images.split(AT_ONCE)
        nats = torch.cat([predictor.log_likelihood(part, seed=i) for i, part in enumerate(parts)])
        dimensions = np.full(len(self.images), self.images[0].numel(), dtype=np.int64)
        return Units({"bits": -nats.double().cpu().numpy() / math.log(2.0), "dimensions": dimensions})

    def floor(self) -> tuple[str, DensityModel]:
        """A Gaussian with the mean and the full covariance of the training pixels."""
        return "Gaussian of the pixels", GaussianDensity(self.training)

    def pictures(self, predictor: DensityModel) -> Mapping[str, Picture]:
        """The test pictures that it finds least and most probable, a hundred each."""
        order = np.argsort(-self.evaluate(predictor).rows["bits"], kind="stable")
        return {
            "least_probable": grid(self.images[torch.from_numpy(order[:100].copy())]),
            "most_probable": grid(self.images[torch.from_numpy(order[::-1][:100].copy())]),
        }


class GaussianDensity:
    """The best density that knows only two moments, as a probability of whole values by dequantisation.

    With u uniform in [0, 1), log P(x) >= E_u log N(x + u), which has a closed form (Theis et al. 2016, eq. 3): the
    trace of the precision over 12 on top of the quadratic form at x + 1/2. The moments are those of x + u too.

    Args:
        images: (n, c, h, w) uint8.
    """

    def __init__(self, images: UInt8[np.ndarray, "n c h w"]) -> None:
        pixels = images.reshape(len(images), -1).astype(np.float64)
        self.mean = pixels.mean(axis=0) + 0.5
        covariance = np.cov(pixels, rowvar=False, bias=True) + np.eye(pixels.shape[1]) / 12.0
        self.factor = cho_factor(covariance, lower=True)
        spread = np.trace(cho_solve(self.factor, np.eye(len(self.mean)))) / 12.0
        volume = 2.0 * np.log(np.diag(self.factor[0])).sum() + len(self.mean) * math.log(2.0 * math.pi)
        self.constant = -0.5 * (volume + spread)

    def log_likelihood(self, images: UInt8[torch.Tensor, "n c h w"], *, seed: int) -> Float64[torch.Tensor, "n"]:  # noqa: ARG002
        """The lower bound in nats; exact, so the seed decides nothing."""
        difference = images.flatten(1).double().numpy() + 0.5 - self.mean
        quadratic = (difference * cho_solve(self.factor, difference.T).T).sum(axis=1)
        return torch.from_numpy(self.constant - 0.5 * quadratic)
