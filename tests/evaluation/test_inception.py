"""The Inception space: the network against torch-fidelity's under equal weights, streamed and kept statistics."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x

from zoo.contracts import Inputs
from zoo.data.mnist import open_mnist
from zoo.evaluation import inception_sampling
from zoo.evaluation.evaluate import evaluate
from zoo.evaluation.inception import WEIGHTS, FIDInception, open_inception, resized_as_tensorflow_1
from zoo.evaluation.inception_sampling import InceptionSamplingBenchmark
from zoo.generative.dcgan import FAMILY as DCGAN
from zoo.scoring.protocols import scoring
from zoo.scoring.samples import InceptionQuality, Moments, distance_between, frechet_distance, moments
from zoo.scoring.units import Units


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder with random weights in the published file's form, and their SHA-256."""
    torch.manual_seed(0)
    network = FIDInception()
    state = network.state_dict()
    for name, value in state.items():  # of a size that keeps signals alive through the network
        if name.endswith("conv.weight"):
            torch.nn.init.kaiming_normal_(value)
        elif name.endswith(("bn.bias", "running_mean", "fc.bias")):
            value.normal_(std=0.1)
    folder = tmp_path_factory.mktemp("inception")
    torch.save(state, folder / WEIGHTS)
    return folder, hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()


@pytest.fixture(scope="session")
def network(weights: tuple[Path, str]) -> FIDInception:
    folder, sha256 = weights
    return open_inception(folder, sha256=sha256).eval().requires_grad_(False)


def test_network_is_torch_fidelitys(network: FIDInception, weights: tuple[Path, str]) -> None:
    theirs = FeatureExtractorInceptionV3("x", ["2048", "logits_unbiased"], str(weights[0] / WEIGHTS))
    images = torch.randint(0, 256, (2, 3, 32, 40), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    features, logits = theirs(images)
    assert features.std() > 0.01
    torch.testing.assert_close(network.features(images), features, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(network.probabilities(images), logits.softmax(1), rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize(("height", "width"), [(28, 28), (32, 48), (299, 299), (512, 300)])
def test_pictures_are_resized_as_tensorflow_1_did(height: int, width: int) -> None:
    images = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(0)) * 255
    theirs = interpolate_bilinear_2d_like_tensorflow1x(images, size=(299, 299), align_corners=False)
    torch.testing.assert_close(resized_as_tensorflow_1(images, side=299), theirs, rtol=0, atol=1e-2)


def test_resizing_by_hand() -> None:
    """Twice as large: the new pixels lie half way, the last one has no right neighbour."""
    picture = torch.tensor([[[[0.0, 4.0]]]])
    assert resized_as_tensorflow_1(picture, side=4)[0, 0, 0].tolist() == [0.0, 2.0, 4.0, 4.0]


def test_other_weights_are_refused(weights: tuple[Path, str], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="zoo data fetch inception-fid"):
        open_inception(tmp_path)
    with pytest.raises(ValueError, match="expected a file of SHA-256 6726825d"):
        open_inception(weights[0])


def test_streamed_moments_are_those_of_the_whole() -> None:
    features = np.random.default_rng(0).normal(loc=1e4, size=(1000, 24)).astype(np.float32)  # far from 0: no squares
    streamed = Moments(24)
    for part in np.split(features, [1, 300, 301, 777]):
        streamed.add(part)
    mean, covariance = moments(features)
    assert streamed.count == 1000
    np.testing.assert_allclose(streamed.mean, mean, rtol=1e-12)
    np.testing.assert_allclose(streamed.covariance, covariance, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("n", "m"), [(40, 50), (40, 300), (300, 40), (300, 310)])
def test_few_samples_give_the_same_distance(n: int, m: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo.scoring.samples.ROWS_AT_ONCE", 64)
    random = np.random.default_rng(0)
    a, b = random.normal(size=(n, 100)), random.normal(size=(m, 100)) * 1.5 + 0.2
    assert distance_between(a, b) == pytest.approx(frechet_distance(*moments(a), *moments(b)), rel=1e-6)
    counts = random.integers(0, 3, size=n)
    assert distance_between(a, b, counts) == pytest.approx(distance_between(np.repeat(a, counts, axis=0), b), rel=1e-6)


class Pictures:
    """Draws the training pictures themselves, in order."""

    def __init__(self, images: torch.Tensor) -> None:
        self.images = images

    def sample(self, count: int, *, seed: int) -> torch.Tensor:
        return self.images[seed : seed + count]


def test_streamed_scores_are_those_of_all_features(
    network: FIDInception, datasets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inception_sampling, "AT_ONCE", 7)
    images = torch.from_numpy(open_mnist(datasets / "digits", "train")[0][:40, None])
    benchmark = InceptionSamplingBenchmark(
        "digits", Inputs(datasets=datasets, cache=tmp_path), draws=20, network=network
    )
    benchmark.images = images[20:].numpy()
    assert benchmark.protocol == f"digits-train/inception@1:{network.digest[:8]}-n20"
    assert isinstance(scoring(benchmark.protocol), InceptionQuality)
    units = evaluate(benchmark, Pictures(images)).units
    features = network.features(images).numpy()
    scores = scoring(benchmark.protocol).aggregate(units)
    assert scores["FID"] == pytest.approx(distance_between(features[:20], features[20:]), rel=1e-4)
    assert {name: len(column) for name, column in units.rows.items()} == {"fid": 10, "log_is": 10, "kid": 10}

    (kept,) = (tmp_path / "inception").iterdir()
    again = benchmark.reference(network)
    bytes_kept = kept.read_bytes()
    kept.write_bytes(bytes_kept[:-1] + bytes([bytes_kept[-1] ^ 1]))  # damaged: measured again
    np.testing.assert_array_equal(benchmark.reference(network)["factor"], again["factor"])
    assert kept.read_bytes() == bytes_kept


def test_fid_of_a_resample_moves_with_its_parts() -> None:
    rows = {"fid": np.arange(10.0) + 20, "log_is": np.zeros(10), "kid": np.zeros(10)}
    units = Units(rows, {"fid": np.array([12.0])})
    assert InceptionQuality().aggregate(units) == {"FID": 12.0, "IS": 1.0, "KID": 0.0}
    last = np.eye(10, dtype=np.int64)[9]
    assert InceptionQuality().aggregate(units, last)["FID"] == pytest.approx(12.0 + 4.5)


def test_a_recipe_asks_for_its_feature_space(datasets: Path) -> None:
    """The papers' one needs no entry of the zoo but a file of weights, and says so before anything is trained."""
    small, papers = DCGAN.recipes["smoke"], DCGAN.recipes["paper"]
    assert (small.needs, small.scoring_needs) == ((), ("digit-classifier.digits",))
    assert papers.needs == ()
    asked = small.but(space="inception", draws=papers.model_dump()["draws"])
    with pytest.raises(ValueError, match=r"weights of the FID Inception .*zoo data fetch inception-fid"):
        DCGAN.benchmark(asked, Inputs(datasets=datasets))
