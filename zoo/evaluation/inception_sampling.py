"""Published-number mode: FID, IS and KID of 50,000 draws in the Inception space, none of their features kept.

The reference's statistics are computed once and kept by the content they were made from.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import torch
from safetensors.numpy import load, save

from zoo.contracts import Inputs, Picture
from zoo.data.labelled import open_labelled
from zoo.durable import write_atomically
from zoo.evaluation.inception import FIDInception, open_inception
from zoo.evaluation.sampling import PixelGaussian, grid
from zoo.scoring.samples import (
    SPLITS,
    Float64,
    InceptionQuality,
    Moments,
    distance_to,
    factor_of,
    inception_score,
    kernel_distance,
)
from zoo.scoring.units import Units
from zoo.tasks import Sampler

WEIGHTS_SET = "inception-fid"  # the data set whose one file is the network
AT_ONCE = 100  # pictures through the network
SUBSET = 1000  # features a KID subset (Binkowski et al. 2018, section 4; the field's default)


class InceptionSamplingBenchmark:
    """Distance of draws to a training split, as papers report it.

    Args:
        dataset: name of a data set of pictures.
        draws: how many samples are scored, a multiple of ten.
        network: by default the one whose weights are the data set `inception-fid`.
    """

    def __init__(
        self,
        dataset: str,
        inputs: Inputs,
        *,
        draws: int = 50_000,
        network: FIDInception | None = None,
    ) -> None:
        if draws % SPLITS or draws < 2 * SPLITS:
            raise ValueError(f"{dataset}: expected a number of draws that {SPLITS} divides, got {draws}")
        self.network = network or open_inception(inputs.datasets / WEIGHTS_SET)
        self.network.to("cuda" if torch.cuda.is_available() else "cpu")
        self.scoring = InceptionQuality()
        self.protocol = f"{dataset}-train/{self.scoring.id}:{self.network.digest[:8]}-n{draws}"
        self.draws = draws
        self.cache = inputs.cache
        self.images = torch.from_numpy(open_labelled(inputs.dataset(dataset), "train").images)

    def evaluate(self, predictor: Sampler) -> Units:
        """Draw and score in ten parts; what stays in memory does not grow with the number of draws."""
        reference = self.reference()
        mean, factor = reference["mean"], reference["factor"]
        total, rows = Moments(len(mean)), []
        for part in range(SPLITS):
            moments, first, probabilities = self._seen(self._drawn(predictor, part))
            total.merge(moments)
            subset = reference["features"][part::SPLITS][: len(first)]
            rows.append(
                (
                    distance_to(mean, factor, moments.mean, moments.covariance),
                    np.log(inception_score(probabilities, splits=1)),
                    kernel_distance(first, subset),
                )
            )
        columns = zip(("fid", "log_is", "kid"), np.array(rows).T, strict=True)
        whole = distance_to(mean, factor, total.mean, total.covariance)
        return Units(dict(columns), {"fid": np.array([whole])})

    def floor(self) -> tuple[str, Sampler]:
        """A Gaussian with the mean and the full covariance of the training pixels."""
        return "Gaussian of the pixels", PixelGaussian(self.images.numpy())

    def pictures(self, predictor: Sampler) -> Mapping[str, Picture]:
        """Draws and training pictures."""
        return {"samples": grid(predictor.sample(100, seed=0)), "real": grid(self.images[:100])}

    def reference(self) -> dict[str, Float64]:
        """Mean (d,) and factored covariance (d, d) of the split's features, and features of pictures spread over it.

        Kept in a file named by the pictures and the weights they were made from; a damaged one is made again.
        """
        if self.cache is None:
            return self._measured()
        content = hashlib.sha256(f"{tuple(self.images.shape)} {self.network.digest}".encode())
        content.update(self.images.numpy().tobytes())
        path = self.cache / "inception" / content.hexdigest()
        kept = path.read_bytes() if path.is_file() else b""
        if hashlib.sha256(kept[32:]).digest() != kept[:32]:
            measured = {name: np.ascontiguousarray(value) for name, value in self._measured().items()}
            statistics = save(measured)  # which would write a transposed array as it lies in memory
            kept = hashlib.sha256(statistics).digest() + statistics
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, kept)
        return load(kept[32:])

    def _measured(self) -> dict[str, Float64]:
        moments, _, _ = self._seen(self.images.split(AT_ONCE))
        spread = np.linspace(0, len(self.images) - 1, num=min(len(self.images), SPLITS * SUBSET), dtype=int)
        features = [self.network.features(part).cpu().numpy() for part in self.images[spread].split(AT_ONCE)]
        return {
            "mean": moments.mean,
            "factor": factor_of(moments.covariance),
            "features": np.concatenate(features),
        }

    def _drawn(self, predictor: Sampler, part: int) -> Iterator[torch.Tensor]:
        """The pictures of one part; every AT_ONCE of them from a seed of their own."""
        for start in range(part * self.draws // SPLITS, (part + 1) * self.draws // SPLITS, AT_ONCE):
            end = min(start + AT_ONCE, (part + 1) * self.draws // SPLITS)
            yield predictor.sample(end - start, seed=start)

    def _seen(self, batches: Iterable[torch.Tensor]) -> tuple[Moments, np.ndarray, np.ndarray]:
        """Moments of the features, the first SUBSET features, and all class probabilities (a fifth of the features)."""
        moments = Moments(self.network.fc.in_features)
        first: list[np.ndarray] = []
        probabilities: list[np.ndarray] = []
        for images in batches:
            features = self.network.features(images)
            probabilities.append(self.network.probabilities_of(features).cpu().numpy())
            seen = features.cpu().numpy()
            moments.add(seen)
            if len(first) * AT_ONCE < SUBSET:
                first.append(seen)
        return moments, np.concatenate(first), np.concatenate(probabilities)
