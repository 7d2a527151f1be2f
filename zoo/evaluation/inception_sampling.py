"""Published-number mode: FID, IS and KID of 50,000 draws in the Inception space, none of their features kept.

The reference's statistics are computed once and kept by the content they were made from.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8
from safetensors.numpy import load, save
from torch import Tensor

from zoo.contracts import Inputs, Picture
from zoo.data.labelled import open_labelled
from zoo.drawing.sheets import grid
from zoo.durable import write_atomically
from zoo.evaluation.gaussian import gaussian_sampler
from zoo.evaluation.inception import FIDInception, open_inception
from zoo.evaluation.stage import Stage
from zoo.scoring.samples import (
    SPLITS,
    InceptionQuality,
    Moments,
    distance_to,
    factor_of,
    inception_score,
    kernel_distance,
)
from zoo.scoring.units import Evaluated, Units
from zoo.tasks.sampling import Sampler

WEIGHTS_SET = "inception-fid"  # the data set whose one file is the network
AT_ONCE = 100  # pictures through the network
SHOWN = 100  # draws
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
        self.scoring = InceptionQuality()
        self.protocol = f"{dataset}-train/{self.scoring.id}:{self.network.digest[:8]}-n{draws}"
        self.draws = draws
        self.cache = inputs.cache
        self.images = open_labelled(inputs.dataset(dataset), "train").images

    def evaluate(self, predictor: Sampler, stage: Stage) -> Evaluated:
        """Draw and score in ten parts; what stays in memory does not grow with the number of draws."""
        network = stage.place(self.network)
        reference = self.reference(network)
        mean, factor = reference["mean"], reference["factor"]
        total, rows, shown = Moments(len(mean)), [], []
        for part in range(SPLITS):
            seen = _seen(network, self._drawn(predictor, part, stage))
            total.merge(seen.moments)
            subset = reference["features"][part::SPLITS][: len(seen.features)]
            rows.append(
                (
                    distance_to(mean, factor, seen.moments.mean, seen.moments.covariance),
                    np.log(inception_score(seen.probabilities, splits=1)),
                    kernel_distance(seen.features, subset),
                )
            )
            shown.append(seen.images)
        columns = zip(("fid", "log_is", "kid"), np.array(rows).T, strict=True)
        whole = distance_to(mean, factor, total.mean, total.covariance)
        return Evaluated(Units(dict(columns), {"fid": np.array([whole])}), {"draws": np.concatenate(shown)[:SHOWN]})

    def floor(self) -> tuple[str, Sampler]:
        """A Gaussian of the training pixels."""
        return gaussian_sampler(self.images)

    def pictures(self, model: Evaluated, floor: Evaluated) -> Mapping[str, Picture]:
        """Draws, the floor's draws and training pictures."""
        return {
            "samples": grid(model.shown["draws"]),
            "floor": grid(floor.shown["draws"]),
            "real": grid(self.images[:SHOWN]),
        }

    def reference(self, network: Any) -> dict[str, Float[np.ndarray, "..."]]:
        """Mean (d,) and factored covariance (d, d) of the split's features, and features of pictures spread over it.

        Kept in a file named by the pictures and the weights they were made from; a damaged one is made again.

        Args:
            network: this benchmark's, placed.
        """
        if self.cache is None:
            return self._measured(network)
        content = hashlib.sha256(f"{self.images.shape} {self.network.digest}".encode())
        content.update(self.images.tobytes())
        path = self.cache / "inception" / content.hexdigest()
        kept = path.read_bytes() if path.is_file() else b""
        if hashlib.sha256(kept[32:]).digest() != kept[:32]:
            measured = {name: np.ascontiguousarray(value) for name, value in self._measured(network).items()}
            statistics = save(measured)  # which would write a transposed array as it lies in memory
            kept = hashlib.sha256(statistics).digest() + statistics
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, kept)
        return load(kept[32:])

    def _measured(self, network: Any) -> dict[str, Float[np.ndarray, "..."]]:
        moments = _seen(network, torch.from_numpy(self.images).split(AT_ONCE)).moments
        spread = np.linspace(0, len(self.images) - 1, num=min(len(self.images), SPLITS * SUBSET), dtype=int)
        chosen = torch.from_numpy(self.images[spread]).split(AT_ONCE)
        features = [network.features(part).numpy() for part in chosen]
        return {
            "mean": moments.mean,
            "factor": factor_of(moments.covariance),
            "features": np.concatenate(features),
        }

    def _drawn(self, predictor: Sampler, part: int, stage: Stage) -> Iterator[UInt8[Tensor, "_ c h w"]]:
        """The pictures of one part; every AT_ONCE of them from a seed of their own."""
        end = (part + 1) * self.draws // SPLITS
        for start in range(part * self.draws // SPLITS, end, AT_ONCE):
            count = min(AT_ONCE, end - start)
            yield predictor.sample(count, seed=start)
            stage.report(start + count, self.draws)


class _Seen(NamedTuple):
    """What is kept of many pictures: a fifth of their features' size."""

    moments: Moments  # of the features
    features: Float32[np.ndarray, "subset d"]  # the first SUBSET
    probabilities: Float32[np.ndarray, "n classes"]
    images: UInt8[np.ndarray, "_ c h w"]  # the first batch


def _seen(network: Any, batches: Iterable[UInt8[Tensor, "_ c h w"]]) -> _Seen:
    moments = Moments(network.fc.in_features)
    first: list[np.ndarray] = []
    probabilities: list[np.ndarray] = []
    shown: list[np.ndarray] = []
    for images in batches:
        features = network.features(images)
        probabilities.append(network.probabilities_of(features).numpy())
        moments.add(features.numpy())
        if len(first) * AT_ONCE < SUBSET:
            first.append(features.numpy())
        if not shown:
            shown.append(images.numpy())
    return _Seen(moments, np.concatenate(first), np.concatenate(probabilities), shown[0])
