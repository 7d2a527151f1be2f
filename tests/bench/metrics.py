"""What scoring costs: our metrics and other libraries' over the same inputs, with the values they give.

    make bench

One thread, one process; all ways alternate and the medians are compared. Every Fréchet way starts from the features of
both sets and forms its own statistics; every confusion matrix starts from pictures of labels in memory. A ratio below 1
means that the other library is faster.
"""

import statistics
import time
import warnings
from collections.abc import Callable, Mapping

import numpy as np
import torch
from pytorch_fid.fid_score import calculate_frechet_distance
from threadpoolctl import threadpool_limits
from torch_fidelity.metric_fid import KEY_METRIC_FID, fid_features_to_statistics, fid_statistics_to_metric
from torchmetrics.classification import MulticlassConfusionMatrix
from torchmetrics.image.fid import FrechetInceptionDistance

from zoo.evaluation.generation import distance_between
from zoo.evaluation.scoring import Units
from zoo.evaluation.segmentation import MIoU, confusion_matrix

Way = Callable[[], float]

DIMENSIONS, CLASSES, VOID = 2048, 21, 255
TURNS = 3


class Given(torch.nn.Module):
    """Hands torchmetrics the features that it is shown as pictures."""

    num_features = DIMENSIONS

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(1)


def frechet(samples: int) -> Mapping[str, Way]:
    """Distance of two sets of features whose spectrum falls as that of real ones does."""
    random = np.random.default_rng(0)
    scales = 1 / np.sqrt(1 + np.arange(DIMENSIONS))
    a = (random.normal(size=(samples, DIMENSIONS)) * scales).astype(np.float32)
    b = (random.normal(size=(samples, DIMENSIONS)) * scales * 1.1 + 0.02).astype(np.float32)

    def torchmetrics() -> float:
        metric = FrechetInceptionDistance(feature=Given(), normalize=True, input_img_size=(1, 32, 64))
        metric.set_dtype(torch.float64)
        for features, real in ((a, False), (b, True)):
            metric.update(torch.from_numpy(features).view(-1, 1, 32, 64), real=real)
        return float(metric.compute())

    def torch_fidelity() -> float:
        each = (fid_features_to_statistics(torch.from_numpy(features)) for features in (a, b))
        return float(fid_statistics_to_metric(*each, verbose=False)[KEY_METRIC_FID])

    def pytorch_fid() -> float:
        (m1, s1), (m2, s2) = ((f.mean(axis=0), np.cov(f, rowvar=False)) for f in (a, b))
        return float(calculate_frechet_distance(m1, s1, m2, s2))

    return {
        "ours": lambda: distance_between(a, b),
        "torchmetrics": torchmetrics,
        "torch-fidelity": torch_fidelity,
        "pytorch-fid": pytorch_fid,
    }


def miou(pictures: int = 20) -> Mapping[str, Way]:
    """Confusion summed over pictures of 480 x 360, a tenth of the pixels void."""
    random = np.random.default_rng(0)
    truth = random.integers(0, CLASSES, size=(pictures, 360, 480), dtype=np.uint8)
    prediction = np.where(random.random(truth.shape) < 0.7, truth, random.integers(0, CLASSES, size=truth.shape))
    truth[random.random(truth.shape) < 0.1] = VOID

    def ours() -> float:
        each = [confusion_matrix(t, p, classes=CLASSES, name="") for t, p in zip(truth, prediction, strict=True)]
        return MIoU().aggregate(Units({"confusion": np.stack(each)}))["mIoU"]

    def torchmetrics() -> float:
        metric = MulticlassConfusionMatrix(CLASSES, ignore_index=VOID, validate_args=False)
        for t, p in zip(truth, prediction, strict=True):
            metric.update(torch.from_numpy(p)[None], torch.from_numpy(t).long()[None])
        return MIoU().aggregate(Units({"confusion": metric.compute().numpy()[None]}))["mIoU"]

    return {"ours": ours, "torchmetrics": torchmetrics}


def measure(title: str, ways: Mapping[str, Way]) -> None:
    """Print a line per way: value, median seconds, and how many times ours that is."""
    values, seconds = {}, {name: [] for name in ways}
    for _ in range(TURNS):
        for name, way in ways.items():
            start = time.perf_counter()
            values[name] = way()
            seconds[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    print(f"\n{title}\n{'':16s} {'value':>12s} {'seconds':>9s} {'x ours':>7s}")
    for name, median in medians.items():
        print(f"{name:16s} {values[name]:12.6f} {median:9.3f} {median / medians['ours']:7.1f}", flush=True)
    fastest = min(median for name, median in medians.items() if name != "ours")
    print(f"ours is {fastest / medians['ours']:.1f} times as fast as the fastest of the others")


def main() -> None:
    """Print a table per metric."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")  # the others' advice
    with threadpool_limits(1):
        measure("mIoU of 20 pictures of 480 x 360, 21 classes", miou())
        measure("Fréchet distance of 2,048 features, 1,000 samples each", frechet(1000))
        measure("Fréchet distance of 2,048 features, 5,000 samples each", frechet(5000))


if __name__ == "__main__":
    main()
