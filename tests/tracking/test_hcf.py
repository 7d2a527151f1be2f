"""HCF's filter against ridge regression solved as a dense system, its windows by hand, its network against
torchvision's, and the tracker on frames where the answer is known."""

import hashlib
from dataclasses import dataclass
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torchvision.models import VGG19_Weights
from torchvision.models.vgg import cfgs, make_layers

from zoo.contracts import Facts, Inputs
from zoo.data.otb import open_otb
from zoo.evaluation.evaluate import evaluate
from zoo.evaluation.tracking import FirstBox, TrackingBenchmark, one_pass
from zoo.tasks.tracking import Box
from zoo.tracking.hcf import (
    FAMILY,
    CorrelationFilter,
    HCFLearner,
    Window,
    cosine_window,
    gaussian_label,
    vgg19,
)
from zoo.tracking.siamfc import FAMILY as SIAMFC

SMOKE, PAPER = FAMILY.recipe("smoke"), FAMILY.recipe("paper")
LAMBDA = 0.3
NORMALISED = VGG19_Weights.IMAGENET1K_V1.transforms()


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def circulant(features: Tensor) -> Tensor:
    """The matrix that takes a filter (c * h * w numbers) to its cyclic convolution with features (h * w numbers)."""
    c, h, w = features.shape
    matrix = torch.zeros(h, w, c, h, w, dtype=torch.float64)
    for y, x, v, u in product(range(h), range(w), range(h), range(w)):
        matrix[y, x, :, v, u] = features[:, (y - v) % h, (x - u) % w]
    return matrix.reshape(h * w, c * h * w)


def ridge(matrix: Tensor, wanted: Tensor) -> Tensor:
    """argmin |matrix w - wanted|^2 + lambda |w|^2, from the normal equations."""
    return torch.linalg.solve(matrix.T @ matrix + LAMBDA * torch.eye(matrix.shape[1]).double(), matrix.T @ wanted)


@dataclass(frozen=True, eq=False)
class Patch:
    """A textured square moving over noise, 8 pixels to the right and 4 down a frame."""

    frames: int = 6
    name: str = "patch"

    @property
    def boxes(self) -> np.ndarray:
        return np.array([(60 + 8 * i, 50 + 4 * i, 32, 32) for i in range(self.frames)], float)

    def __len__(self) -> int:
        return self.frames

    def frame(self, i: int) -> np.ndarray:
        rng = np.random.default_rng(0)
        picture = rng.integers(90, 130, (180, 240, 3), dtype=np.uint8)
        patch = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8).repeat(8, axis=0).repeat(8, axis=1)
        left, top, width, height = self.boxes[i].astype(int)
        picture[top : top + height, left : left + width] = patch
        return picture


def learner() -> HCFLearner:
    torch.manual_seed(0)
    return HCFLearner(SMOKE, Facts(), upstream={SMOKE.features: siamfc("smoke")}).eval()


def siamfc(recipe: str) -> nn.Module:
    """A tracker that has learned nothing."""
    return SIAMFC.learner(SIAMFC.recipe(recipe), Facts()).predictor()


@pytest.mark.parametrize(("rows", "columns"), [(5, 4), (4, 7)])
def test_the_filter_is_ridge_regression_over_all_cyclic_shifts(rows: int, columns: int) -> None:
    """Equation 2 solves equation 1 exactly, for all channels together."""
    features, label = random(3, rows, columns), random(rows, columns, seed=1)
    weights = ridge(circulant(features), label.flatten())
    known = CorrelationFilter(features, label, regularization=LAMBDA)
    for seen in (features, random(3, rows, columns, seed=2)):
        torch.testing.assert_close(known.respond(seen).flatten(), circulant(seen) @ weights)


def test_an_update_is_ridge_regression_on_weighted_frames() -> None:
    """Equation 4 is exact for one channel: minimise 0.8 of the first frame's error and 0.2 of the second's."""
    first, second, label = random(1, 4, 5), random(1, 4, 5, seed=1), random(4, 5, seed=2)
    shares = torch.tensor([0.8, 0.2]).double().sqrt().repeat_interleave(20)
    both = torch.cat([circulant(first), circulant(second)])
    weights = ridge(shares[:, None] * both, shares * label.flatten().repeat(2))
    known = CorrelationFilter(first, label, regularization=LAMBDA)
    known.update(second, rate=0.2)
    seen = random(1, 4, 5, seed=3)
    torch.testing.assert_close(known.respond(seen).flatten(), circulant(seen) @ weights)


def test_what_moved_is_found_where_it_moved_to() -> None:
    features, label = random(6, 12, 9), gaussian_label(12, 9, deviation=1).double()
    known = CorrelationFilter(features, label, regularization=1e-4)
    for down, right in ((0, 0), (3, 0), (-2, 4), (5, -3)):
        response = known.respond(features.roll((down, right), dims=(1, 2)))
        assert divmod(int(response.argmax()), 9) == (6 + down, 4 + right)
        torch.testing.assert_close(response, label.roll((down, right), dims=(0, 1)), atol=1e-3, rtol=0)


def test_label_and_fading_by_hand() -> None:
    label = gaussian_label(4, 5, deviation=2)
    assert label[2, 2] == 1
    assert label[2, 4].item() == pytest.approx(np.exp(-4 / 8))
    assert label[0, 1].item() == pytest.approx(np.exp(-5 / 8))
    fading = cosine_window(3, 5)
    assert fading[1].tolist() == pytest.approx([0, 0.5, 1, 0.5, 0])
    assert fading[[0, 2]].abs().max() == 0


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        (Box(50, 40, 20, 10), Window(32, 31, 56, 28)),  # 2.8 times its sides, around (60, 45)
        (Box(50, 40, 100, 60), Window(-40, -14, 280, 168)),  # 6,000 of 120,000 pixels is not yet large, ...
        (Box(50, 40, 100, 61), Window(0, 10, 200, 122)),  # ... this is: 2 times
        (Box(50, 40, 20, 41), Window(32, 32, 56, 57)),  # tall: 1.4 times its height
    ],
)
def test_windows_by_hand(box: Box, expected: Window) -> None:
    frame = np.zeros((300, 400, 3), np.uint8)
    assert Window.around(box, frame, margins=(1.8, 1.0, 0.4)) == expected


def test_a_window_at_its_own_size_is_a_slice_and_the_border_goes_on() -> None:
    frame = Patch().frame(0)
    assert np.array_equal(Window(30, 20, 64, 64).shown(frame, side=64).permute(1, 2, 0), frame[20:84, 30:94])
    outside = Window(-10, 150, 40, 40).shown(frame, side=40).permute(1, 2, 0).numpy()
    assert np.array_equal(outside[:30, 10:], frame[150:, :30])
    assert (outside[:30, :10] == frame[150:, :1]).all()
    assert (outside[30:, 10:] == frame[-1:, :30]).all()


def test_parameters_of_vgg19s_convolutions() -> None:
    """Simonyan and Zisserman 2015, table 1, column E, by hand: 3 x 3 weights and a bias for each channel."""
    widths = [3, 64, 64, 128, 128, *[256] * 4, *[512] * 8]
    expected = sum(9 * before * after + after for before, after in pairwise(widths))
    with torch.device("meta"):
        network = vgg19(PAPER.layers)
    assert sum(parameter.numel() for parameter in network.parameters()) == expected == 20_024_384


def test_the_papers_layers_are_the_last_of_three_stages() -> None:
    """conv3-4, conv4-4 and conv5-4 of a 32 x 32 picture: 256, 512 and 512 channels at strides 4, 8 and 16."""
    maps = vgg19(PAPER.layers)(torch.zeros(1, 3, 32, 32, dtype=torch.uint8))
    assert [tuple(each.shape[1:]) for each in maps] == [(256, 8, 8), (512, 4, 4), (512, 2, 2)]
    with torch.device("meta"):
        layers = make_layers(cfgs["E"])
    assert all(isinstance(layers[i], nn.ReLU) for i in PAPER.layers)


def test_starts_from_a_published_vgg19(tmp_path: Path) -> None:
    theirs = make_layers(cfgs["E"])
    file = tmp_path / "vgg19.pth"
    torch.save({f"features.{name}": value for name, value in theirs.state_dict().items()}, file)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    file.rename(tmp_path / f"vgg19-{digest[:8]}.pth")
    ours = HCFLearner(PAPER.but(weights=f"vgg19-{digest[:8]}.pth"), Facts())
    ours.begin(Inputs(datasets=tmp_path))
    picture = torch.randint(0, 256, (1, 3, 32, 32), dtype=torch.uint8)
    x = (picture / 255 - torch.tensor(NORMALISED.mean).view(3, 1, 1)) / torch.tensor(NORMALISED.std).view(3, 1, 1)
    for layer, each in zip(PAPER.layers, ours.network(picture), strict=True):
        torch.testing.assert_close(each, theirs[: layer + 1](x.clone()))


def test_missing_weights_say_what_to_fetch(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"Run `zoo data fetch vgg19-imagenet`"):
        HCFLearner(PAPER, Facts()).begin(Inputs(datasets=tmp_path))


def test_features_come_from_one_place() -> None:
    with pytest.raises(ValueError, match="expected either weights or features, got '' and ''"):
        FAMILY.recipe("mini", features="")
    with pytest.raises(ValueError, match="expected either weights or features"):
        FAMILY.recipe("mini", weights="vgg19.pth")


@pytest.mark.parametrize("of", ["smoke", "mini"])
def test_takes_over_the_siamfc_that_it_is_given_and_leaves_it_as_it_is(of: str) -> None:
    theirs = siamfc(of)
    embedding = theirs.network.embedding
    before = {name: value.clone() for name, value in embedding.state_dict().items()}
    ours = HCFLearner(SMOKE, Facts(), upstream={SMOKE.features: theirs}).network.layers.state_dict()
    assert ours.keys() == before.keys()
    assert all(torch.equal(value, before[name]) for name, value in ours.items())
    assert all(layer.padding in (0, (0, 0)) for layer in embedding if isinstance(layer, nn.Conv2d | nn.MaxPool2d))
    assert all(parameter.requires_grad for parameter in embedding.parameters())


def test_siamfcs_maps_show_all_of_the_window() -> None:
    """96 pixels at strides 1, 2 and 4; without padding, conv1 sees the same."""
    pupil = learner()
    picture = torch.randint(0, 256, (1, 3, 96, 96), dtype=torch.uint8)
    maps = pupil.network(picture)
    assert [tuple(each.shape[1:]) for each in maps] == [(16, 96, 96), (32, 48, 48), (32, 24, 24)]
    theirs = siamfc("smoke").network.embedding.eval()
    theirs.load_state_dict(pupil.network.layers.state_dict())
    torch.testing.assert_close(maps[0][..., 2:-2, 2:-2], theirs[:3](picture / 255 - 0.5), atol=1e-5, rtol=1e-4)


def test_tracks_a_patch_that_moves_by_whole_cells() -> None:
    """Features of chance will do; the size never changes."""
    film = Patch()
    measured = one_pass(learner().predictor(), film)
    assert np.abs(measured.boxes[:, :2] - film.boxes[:, :2]).max() <= SMOKE.cell / 2
    assert (measured.boxes[:, 2:] == 32).all()


def test_an_object_of_a_few_pixels_and_one_out_of_the_frame_are_followed_without_an_error() -> None:
    tracker, frame = learner().predictor(), Patch().frame(0)
    for box in (Box(100, 80, 2, 1), Box(235, 170, 30, 40), Box(-20, -10, 15, 12)):
        tracker.start(frame, box)
        assert np.isfinite(tracker.follow(frame)).all()


def test_a_running_track_is_no_weight_and_nothing_learns() -> None:
    tracker = learner().predictor()
    before = set(tracker.state_dict())
    tracker.start(Patch().frame(0), Box(60, 50, 32, 32))
    tracker.follow(Patch().frame(1))
    assert set(tracker.state_dict()) == before
    assert all(name.startswith("network.layers.") for name in before)
    assert not [parameter for parameter in tracker.parameters() if parameter.requires_grad]
    with pytest.raises(ValueError, match="expected 0 steps"):
        learner().step({"window": torch.zeros(1, 3, 96, 96, dtype=torch.uint8)})


@pytest.mark.shared_data
def test_follows_a_real_pedestrian(shared_data: Path) -> None:
    """Features of chance, on a sequence where the first box is soon left behind."""
    crossing = [video for video in open_otb(shared_data / "tracking_otb") if video.name == "Crossing"]
    benchmark = TrackingBenchmark("otb", crossing)
    ours, floor = (
        benchmark.scoring.aggregate(evaluate(benchmark, tracker).units)
        for tracker in (learner().predictor(), FirstBox())
    )
    assert ours["precision_20px"] > floor["precision_20px"] + 0.5
