"""Benchmark for samplers: draw, look at the draws through a feature network, compare with the training split."""

from collections.abc import Mapping

import numpy as np
import torch

from zoo.contracts import Inputs, Picture, Upstream
from zoo.data.labelled import open_labelled
from zoo.scoring.samples import SampleQuality
from zoo.scoring.units import Units
from zoo.tasks import Classifier, Sampler

DRAWN_AT_ONCE = 500


class SamplingBenchmark:
    """Fréchet distance to a training split, in the feature space of a classifier that the zoo trained.

    The reference is the split that the sampler learns from, as in the literature; the feature network's digest and
    the number of draws are part of the protocol.

    Args:
        dataset: name of a data set of pictures.
        space: the classifier entry.
        draws: how many samples are scored.
    """

    def __init__(self, dataset: str, inputs: Inputs, *, space: str, draws: int = 2000) -> None:
        self.upstream: Upstream = inputs.upstream[space]
        self.scoring = SampleQuality()
        self.protocol = f"{dataset}-train/{self.scoring.id}:{space}-{self.upstream.digest[:8]}-n{draws}"
        self.draws = draws
        self.reference = torch.from_numpy(open_labelled(inputs.dataset(dataset), "train").images)

    def evaluate(self, predictor: Sampler) -> Units:
        """Features and class probabilities of every draw."""
        classifier: Classifier = self.upstream.predictor
        seeds = range(0, self.draws, DRAWN_AT_ONCE)
        drawn = [predictor.sample(min(DRAWN_AT_ONCE, self.draws - seed), seed=seed) for seed in seeds]
        rows = {
            "features": _by_parts(classifier.features, torch.cat(drawn)),
            "probabilities": _by_parts(classifier.probabilities, torch.cat(drawn)),
        }
        return Units(rows, {"reference": _by_parts(classifier.features, self.reference)})

    def floor(self) -> tuple[str, Sampler]:
        """A Gaussian with the mean and the full covariance of the training pixels."""
        return "Gaussian of the pixels", PixelGaussian(self.reference.numpy())

    def pictures(self, predictor: Sampler) -> Mapping[str, Picture]:
        """Draws, the floor's draws and training pictures, side by side."""
        return {
            "samples": grid(predictor.sample(100, seed=0)),
            "floor": grid(self.floor()[1].sample(100, seed=0)),
            "real": grid(self.reference[:100]),
        }


class PixelGaussian:
    """The best sampler that knows only two moments: what a trained one has to beat.

    Args:
        images: (n, c, h, w) uint8.
    """

    def __init__(self, images: np.ndarray) -> None:
        self.shape = images.shape[1:]
        pixels = images.reshape(len(images), -1).astype(np.float64)
        self.mean, covariance = pixels.mean(axis=0), np.cov(pixels, rowvar=False)
        values, vectors = np.linalg.eigh(covariance)
        self.factor = vectors * np.sqrt(np.clip(values, 0.0, None))

    def sample(self, count: int, *, seed: int) -> torch.Tensor:
        """Pictures (count, c, h, w), rounded and clipped to 0 ... 255."""
        noise = np.random.default_rng(seed).normal(size=(count, len(self.mean)))
        pixels = np.clip(np.rint(self.mean + noise @ self.factor.T), 0, 255).astype(np.uint8)
        return torch.from_numpy(pixels.reshape(count, *self.shape))


def grid(images: torch.Tensor, *, columns: int = 10, height: int = 56) -> Picture:
    """Pictures (n, c, h, w) as one RGB picture, enlarged by a whole factor to about `height` each."""
    n, c, h, w = images.shape
    factor = max(1, height // h)
    images = images.expand(n, 3, h, w) if c == 1 else images
    cells = images.repeat_interleave(factor, 2).repeat_interleave(factor, 3)
    cells = torch.nn.functional.pad(cells, (2, 2, 2, 2), value=255)
    rows = [torch.cat(list(row), dim=2) for row in cells.split(columns) if len(row) == columns]
    return torch.cat(rows, dim=1).permute(1, 2, 0).contiguous().numpy()


@torch.inference_mode()
def _by_parts(function, images: torch.Tensor) -> np.ndarray:  # type: ignore[no-untyped-def]
    return torch.cat([function(part) for part in images.split(DRAWN_AT_ONCE)]).float().numpy()
