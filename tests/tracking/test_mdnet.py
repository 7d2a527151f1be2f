"""MDNet's sizes against the published ones, its normalisation, regression and mining against torch, scikit-learn and
plain sorting, its boxes by hand, and its tracks on frames where the answer is known."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.io import savemat
from sklearn.linear_model import Ridge
from torch import Tensor, nn

from zoo.boxes import overlap
from zoo.contracts import Inputs
from zoo.data.otb import open_otb
from zoo.data.sources import SOURCES
from zoo.evaluation.evaluate import evaluate
from zoo.evaluation.tracking import FirstBox, TrackingBenchmark, one_pass
from zoo.tasks.tracking import Box
from zoo.tracking.mdnet import (
    FAMILY,
    VGG_M,
    VGG_M_MD5,
    Domains,
    MDNetLearner,
    MDNetRecipe,
    Regions,
    convolutions_of,
)
from zoo.tracking.mdnet_track import (
    MDNetTracker,
    Online,
    ResponseNormalisation,
    SharedLayers,
    Track,
    groups,
    hardest,
    last_layer,
)
from zoo.tracking.regions import BoxRegression, Draw, crops, far, near

SMOKE, PAPER = FAMILY.recipe("smoke"), FAMILY.recipe("paper")
BOX = Box(60.0, 50.0, 40.0, 20.0)
PICTURE = (240, 180)


@dataclass(frozen=True, eq=False)
class Patch:
    """A textured square moving over noise, 3 pixels to the right and 2 down a frame."""

    frames: int = 12
    seed: int = 0
    name: str = "patch"

    @property
    def boxes(self) -> np.ndarray:
        return np.array([(60 + 3 * i, 50 + 2 * i, 32, 32) for i in range(self.frames)], float).reshape(-1, 4)

    def __len__(self) -> int:
        return self.frames

    def frame(self, i: int) -> np.ndarray:
        rng = np.random.default_rng(self.seed)
        picture = rng.integers(90, 130, (180, 240, 3), dtype=np.uint8)
        left, top, width, height = self.boxes[i].astype(int)
        patch = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8).repeat(8, axis=0).repeat(8, axis=1)
        picture[top : top + height, left : left + width] = patch
        return picture


class White(Patch):
    """The patch is white and all else black."""

    def frame(self, i: int) -> np.ndarray:
        picture = np.zeros((180, 240, 3), np.uint8)
        left, top, width, height = self.boxes[i].astype(int)
        picture[top : top + height, left : left + width] = 255
        return picture


def learner(recipe: MDNetRecipe = SMOKE, *, domains: int = 3) -> MDNetLearner:
    torch.manual_seed(0)
    return MDNetLearner(recipe, Domains(domains=domains))


def tracker(**online: object) -> MDNetTracker:
    """With convolutions of chance."""
    return learner(SMOKE.but(**online)).predictor().eval()


def followed(of: MDNetTracker, film: Patch) -> np.ndarray:
    return one_pass(of, film).boxes


def rows(*boxes: tuple[float, float, float, float]) -> np.ndarray:
    return np.array(boxes, dtype=np.float64)


# The network


def test_parameters_of_the_papers_network() -> None:
    """Figure 1 by hand: 7 x 7 x 3 to 96, 5 x 5 x 96 to 256, 3 x 3 x 256 to 512; 4,608 to 512 to 512; 2 a video."""
    convolutions = 7 * 7 * 3 * 96 + 96 + 5 * 5 * 96 * 256 + 256 + 3 * 3 * 256 * 512 + 512
    assert convolutions == 1_809_024
    expected = convolutions + 4608 * 512 + 512 + 512 * 512 + 512 + 512 * 2 + 2
    assert expected == 4_432_514
    network = learner(PAPER).network
    counted = sum(p.numel() for each in (network, last_layer(512)) for p in each.parameters())
    assert counted == expected


@pytest.mark.parametrize(("name", "sizes"), [("paper", [51, 25, 11, 5, 3]), ("mini", [31, 15, 11, 5, 3])])
def test_sizes_of_the_maps(name: str, sizes: list[int]) -> None:
    """Published for 107 pixels; the smaller input meets them at conv2."""
    recipe = FAMILY.recipe(name)
    network = SharedLayers((6, 6, 6), kernel=recipe.kernel, stride=recipe.stride, hidden=8, deviation=0.01)
    x, seen = torch.zeros(1, 3, recipe.size, recipe.size), []
    for layer in network.convolutions:
        x = layer(x)
        if isinstance(layer, nn.Conv2d | nn.MaxPool2d):
            seen.append(x.shape[-1])
    assert seen == sizes


def test_normalisation_is_torchs_as_vgg_m_has_it() -> None:
    x = 60 * torch.randn(2, 7, 5, 4)
    torch.testing.assert_close(ResponseNormalisation(7)(x), nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2)(x))


# Boxes


def test_overlaps_decide_by_hand() -> None:
    """40 x 20 moved right by 4, 8 and 20: overlaps 9/11, 2/3 and 1/3."""
    boxes = rows((80, 50, 40, 20), (64, 50, 40, 20), (68, 50, 40, 20), (60, 50, 40, 20))
    assert near(BOX, boxes, 9, least=0.7).tolist() == boxes[[1, 3]].tolist()
    assert near(BOX, boxes, 1, least=0.5).tolist() == boxes[[1]].tolist()
    assert far(BOX, boxes, 9, most=0.5).tolist() == boxes[[0]].tolist()
    assert far(BOX, boxes, 1, most=0.7).tolist() == boxes[[0]].tolist()


def test_where_no_box_will_do_there_is_still_one() -> None:
    apart = rows((150, 50, 40, 20))
    assert near(BOX, apart, 5, least=0.7).tolist() == [list(BOX)]
    assert far(BOX, rows((60, 50, 40, 20), (64, 50, 40, 20)), 5, most=0.5).tolist() == [[64, 50, 40, 20]]


def moves(boxes: np.ndarray) -> np.ndarray:
    """How far centres are from that of BOX, in its mean side (30 pixels)."""
    return (boxes[:, :2] + boxes[:, 2:] / 2 - (80, 60)) / 30


def powers(boxes: np.ndarray) -> np.ndarray:
    return np.log(boxes[:, 2:] / BOX[2:]) / np.log(1.05)


def test_boxes_are_drawn_as_far_off_as_they_say() -> None:
    draw = Draw(np.random.default_rng(0), PICTURE, step=1.05)
    normal = draw.normal(BOX, 4000, shift=0.6, power=1)
    assert np.abs(moves(normal)).max() == pytest.approx(0.6)
    # cut off at two deviations, where 4.6 % lie: sqrt of the mean square of min(|z|, 2), times 0.3
    z = np.random.default_rng(1).normal(size=100_000).clip(-2, 2)
    assert moves(normal).std() == pytest.approx(0.3 * z.std(), rel=0.03)
    assert np.abs(powers(normal)).max() == pytest.approx(1)
    assert np.ptp(normal[:, 2] / normal[:, 3]) < 1e-9  # aspect is kept
    uniform = draw.uniform(BOX, 4000, shift=1, power=10)
    assert moves(uniform).std() == pytest.approx(1 / 3**0.5, rel=0.05)
    assert powers(uniform).std() == pytest.approx(10 / 3**0.5, rel=0.05)
    stretched = draw.stretched(BOX, 4000, shift=0.3, power=10)
    assert np.abs(moves(stretched)).max(axis=0) == pytest.approx([0.3 * 40 / 30, 0.3 * 20 / 30], rel=0.01)
    assert powers(stretched).min() == pytest.approx(-2, abs=0.2)
    assert powers(stretched).max() == pytest.approx(12, abs=0.3)
    assert np.ptp(stretched[:, 2] / stretched[:, 3]) > 0.3


def test_boxes_stay_in_the_picture() -> None:
    draw = Draw(np.random.default_rng(0), PICTURE, step=1.05)
    corner = Box(-10.0, 150.0, 40.0, 60.0)
    for boxes in (draw.normal(corner, 500, shift=1.5, power=5), draw.anywhere(corner, 500, power=5)):
        centres = boxes[:, :2] + boxes[:, 2:] / 2
        assert (centres >= 0).all()
        assert (centres <= PICTURE).all()
    inside = draw.uniform_by_side(corner, 500, shift=2, power=10, inside=True)
    assert inside[:, :2].min() >= 0
    assert (inside[:, :2] + inside[:, 2:] <= np.array(PICTURE) + 1e-9).all()
    assert np.ptp(draw.anywhere(corner, 500, power=5)[:, 0]) > 190  # 240 less the box


def test_sizes_stop_ten_pixels_short_unless_the_object_does_not() -> None:
    draw = Draw(np.random.default_rng(0), PICTURE, step=1.05)
    small, large, tiny = Box(100.0, 80.0, 12.0, 11.0), Box(5.0, 5.0, 225.0, 165.0), Box(100.0, 80.0, 3.0, 2.0)
    assert draw.uniform(small, 500, shift=0.1, power=10)[:, 2:].min() == 10
    assert draw.uniform(large, 500, shift=0.1, power=10)[:, 2:].max(axis=0) == pytest.approx([230, 170])
    assert len(near(tiny, draw.normal(tiny, 100, shift=0.1, power=5), 50, least=0.7)) == 50


def test_crops_at_their_own_size_are_slices_and_grey_outside() -> None:
    frame = Patch().frame(0)
    inner, corner = crops(frame, rows((60, 50, 45, 45), (-45, -45, 45, 45)), size=65, padding=10)
    assert np.array_equal(inner, frame[40:105, 50:115])
    assert np.array_equal(corner[-10:, -10:], frame[:10, :10])
    assert (corner[:55] == 128).all()


def test_crops_are_warped_to_squares() -> None:
    """All of a box and its context, whatever its aspect: white is where the padding says."""
    (picture,) = crops(White().frame(0), rows((60, 50, 32, 32)), size=64, padding=16)
    assert (picture[17:47, 17:47] == 255).all()
    assert (picture[:15] == 0).all()
    (wide,) = crops(White().frame(0), rows((44, 50, 64, 32)), size=64, padding=16)
    assert (wide[17:47, 26:38] == 255).all()  # half as wide as the box
    assert (wide[:, :22] == 0).all()


# Learning offline


def test_videos_take_turns_and_so_do_their_last_layers() -> None:
    videos = [Patch(seed=seed) for seed in range(3)]
    regions, pupil = Regions(videos, SMOKE), learner()
    assert regions.facts == Domains(domains=3)
    assert pupil.round == 3
    for step in range(7):
        batch = regions(step)
        assert batch["domain"].unique().tolist() == [step % 3]
        pupil.step(batch)
        taught = pupil.branches.weight.grad.unflatten(0, (3, 2)).abs().amax((1, 2)) > 0
        assert taught.nonzero().flatten().tolist() == [step % 3]


def test_a_batch_shows_the_object_and_what_is_beside_it() -> None:
    """Of a positive's own box more than 0.7 is white; frames take turns within a cycle."""
    batch = Regions([White()], SMOKE.but(size=64, padding=16, batch_size=128, frames=8))(0)
    assert batch["object"].sum() == 32
    white = (batch["images"][:, 0, 16:48, 16:48] / 255).mean((1, 2))
    assert white[batch["object"]].min() > 0.68
    assert white[~batch["object"]].median() < 0.3


def test_a_batch_may_be_smaller_than_its_frames() -> None:
    batch = Regions([Patch()], SMOKE.but(batch_size=2))(0)
    assert batch["object"].tolist() == [True, False]
    assert len(batch["images"]) == 2


def test_regions_are_a_function_of_seed_and_step() -> None:
    one, other = Regions([Patch()], SMOKE), Regions([Patch()], SMOKE)
    other(0)
    assert torch.equal(one(5)["images"], other(5)["images"])
    assert not torch.equal(one(5)["images"], one(6)["images"])
    assert not torch.equal(one(5)["images"], Regions([Patch()], SMOKE.but(seed=1))(5)["images"])


def test_objects_that_fill_the_picture_or_are_a_pixel_can_be_learned() -> None:
    class Edge(Patch):
        @property
        def boxes(self) -> np.ndarray:
            return rows((0, 0, 240, 180), (-100, -100, 600, 600), (100, 80, 1, 1))

        def frame(self, _i: int) -> np.ndarray:
            return Patch().frame(0)

    pupil = learner(SMOKE.but(steps=3), domains=1)
    for step in range(3):
        assert pupil.step(Regions([Edge(frames=3)], SMOKE)(step))["loss"].isfinite()


def test_sequences_without_a_box_cannot_train() -> None:
    with pytest.raises(ValueError, match="a box in some frame, got none in 1 sequences"):
        Regions([Patch(frames=0)], SMOKE)


def test_layers_learn_and_decay_as_the_authors() -> None:
    """mdnet_prepare_model.m and mdnet_pretrain.m: conv [1 2], fc [10 20], weight decay [1 0]."""
    pupil = learner(PAPER.but(weights="", channels=(4, 4, 4), hidden=4))
    rules = {
        value: (group["lr"] / 1e-4, group["weight_decay"], group["momentum"])
        for group in pupil.update.optimizer.param_groups
        for value in group["params"]
    }
    named = dict([*pupil.network.named_parameters(), *pupil.branches.named_parameters("fc6")])
    assert set(rules) == set(named.values())
    for name, value in named.items():
        times = (1 if name.startswith("convolutions") else 10) * (2 if name.endswith("bias") else 1)
        assert rules[value] == pytest.approx((times, 0 if name.endswith("bias") else 5e-4, 0.9)), name


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ({"batch_size": 1}, "a positive and a negative at least in a batch"),
        ({"weights": VGG_M}, "expected VGG-M's channels"),
        ({"mined": 8}, "expected to choose 32 hard negatives of more, got 8"),
    ],
)
def test_numbers_that_do_not_fit_are_refused(numbers: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        SMOKE.but(**numbers)


# VGG-M


def matconvnet(path: Path, filters: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
    """A network as MatConvNet saves it: a cell array of structs, with filters and biases in a cell array of one."""
    cells = np.empty((1, 2 * len(filters)), dtype=object)
    for i, (name, (weight, bias)) in enumerate(filters.items()):
        pair = np.empty((1, 2), dtype=object)
        pair[0, 0], pair[0, 1] = weight, bias
        cells[0, 2 * i] = {"name": name, "type": "conv", "weights": pair}
        cells[0, 2 * i + 1] = {"name": f"relu{i}", "type": "relu"}
    savemat(path, {"layers": cells})


def test_convolutions_of_matconvnet_give_the_same_answers(tmp_path: Path) -> None:
    rng, recipe = np.random.default_rng(0), PAPER.but(weights="", channels=(3, 4, 5), hidden=4)
    shapes = {"conv1": (7, 7, 3, 3), "conv2": (5, 5, 3, 4), "conv3": (3, 3, 4, 5)}
    filters = {
        name: (rng.normal(size=s).astype(np.float32), rng.normal(size=(s[3], 1)).astype(np.float32))
        for name, s in shapes.items()
    }
    matconvnet(tmp_path / "net.mat", filters)
    network = learner(recipe).network
    network.convolutions.load_state_dict(convolutions_of(tmp_path / "net.mat"))
    picture = rng.normal(size=(7, 7, 3)).astype(np.float32)
    weight, bias = filters["conv1"]
    by_hand = (picture[..., None] * weight).sum((0, 1, 2)) + bias[:, 0]
    seen = network.convolutions[0](torch.from_numpy(picture).permute(2, 0, 1)[None]).flatten()
    assert seen.tolist() == pytest.approx(by_hand.tolist(), rel=1e-4)


def test_missing_and_damaged_weights_say_what_to_fetch(tmp_path: Path) -> None:
    pupil, path = learner(PAPER), tmp_path / VGG_M
    with pytest.raises(ValueError, match=r"imagenet-vgg-m\.mat: expected .* Run `zoo data fetch vgg-m-imagenet`"):
        pupil.begin(Inputs(datasets=tmp_path))
    path.parent.mkdir()
    path.write_bytes(b"MATLAB 5.0 MAT-file, or so it says")
    with pytest.raises(ValueError, match=f"expected the MD5 {VGG_M_MD5}, got "):
        pupil.begin(Inputs(datasets=tmp_path))


def test_weights_are_where_the_recipe_looks_for_them() -> None:
    folder, name = VGG_M.split("/")
    (file,) = SOURCES[folder].files
    assert (file.name, file.checksum) == (name, f"md5:{VGG_M_MD5}")


# Learning online


def test_hard_negatives_are_those_that_score_highest_without_dropout() -> None:
    torch.manual_seed(0)
    head, features = nn.Sequential(nn.Linear(6, 8), nn.Dropout(), nn.Linear(8, 2)), torch.randn(50, 6)
    scores = head.eval()(features)[:, 1].tolist()
    best = sorted(range(50), key=lambda i: -scores[i])[:7]
    for _ in range(3):
        assert torch.equal(hardest(head.train(), features, count=7), features[best])


def test_regression_is_scikit_learns_ridge_on_whitened_targets() -> None:
    """As train_bbox_regressor.m: a column of ones, penalised too, and targets that are centred and decorrelated."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(40, 60)).astype(np.float32)
    boxes = np.array(BOX) + rng.uniform(-4, 4, (40, 4))
    sides = boxes[:, 2:]
    targets = np.hstack(
        [((np.array(BOX[:2]) + np.array(BOX[2:]) / 2) - boxes[:, :2] - sides / 2) / sides, np.log(BOX[2:] / sides)]
    )
    centred = targets - targets.mean(0)
    values, vectors = np.linalg.eigh(centred.T @ centred / 40)
    whiten = vectors @ np.diag((values + 0.001) ** -0.5) @ vectors.T
    ones = np.hstack([features, np.ones((40, 1))])
    ridge = Ridge(alpha=7.0, fit_intercept=False).fit(ones, centred @ whiten)
    told = ridge.predict(ones) @ np.linalg.inv(whiten) + targets.mean(0)
    size = sides * np.exp(told[:, 2:])
    centre = boxes[:, :2] + sides / 2 + told[:, :2] * sides
    ours = BoxRegression(torch.from_numpy(features), boxes, BOX, ridge=7.0)(torch.from_numpy(features), boxes)
    assert ours == pytest.approx(np.hstack([centre - size / 2, size]), abs=1e-4)


def test_regression_learns_what_features_say() -> None:
    """Features that say how far off a box is bring it back."""
    rng = np.random.default_rng(0)
    boxes = np.array(BOX) + rng.uniform(-4, 4, (60, 4))
    features = torch.from_numpy((boxes - BOX).astype(np.float32))
    moved = BoxRegression(features[:50], boxes[:50], BOX, ridge=1e-3)(features[50:], boxes[50:])
    assert overlap(moved, np.tile(BOX, (10, 1))).min() > 0.9
    assert overlap(boxes[50:], np.tile(BOX, (10, 1))).mean() < 0.85


class Watched(Track):
    """Keeps what its updates learned from: the frame's number, positives and negatives."""

    def __init__(self, *, confidence: float, **online: object) -> None:
        self.learned: list[tuple[int, int, int]] = []
        of = tracker(first_iterations=0, update_iterations=0, **online)
        film = Patch(frames=40)
        super().__init__(
            of.network, film.frame(0), Box(*film.boxes[0]), online=of.online, size=of.size, padding=of.padding
        )
        nn.init.constant_(self.last.bias, confidence)
        for i in range(1, len(film)):
            self.follow(film.frame(i % 3))

    def _learn(self, positives: Tensor, negatives: Tensor, *, iterations: int, rate: float) -> None:
        if hasattr(self, "positives"):
            self.learned.append((self.frames, len(positives), len(negatives)))
        super()._learn(positives, negatives, iterations=iterations, rate=rate)


def test_a_track_that_succeeds_learns_every_ten_frames_from_the_long_term() -> None:
    """8 positives and 16 negatives a frame; the first frame has 40, which leave after 30 frames."""
    sure = Watched(confidence=50, long=30, short=5)
    assert [frame for frame, _, _ in sure.learned] == [10, 20, 30, 40]
    assert [positives for _, positives, _ in sure.learned] == [40 + 9 * 8, 40 + 19 * 8, 40 + 29 * 8, 30 * 8]
    assert {negatives for _, _, negatives in sure.learned} == {5 * 16}
    assert sure.shift == 0.6


def test_a_track_that_fails_learns_at_once_from_the_short_term_and_looks_further_away() -> None:
    lost = Watched(confidence=-50, long=30, short=5)
    assert [frame for frame, _, _ in lost.learned] == list(range(2, 41))
    assert {(positives, negatives) for _, positives, negatives in lost.learned} == {(40, 16)}
    assert lost.shift == 1.5
    assert len(lost.positives) == 1


def test_after_successes_a_failure_learns_their_last_frames() -> None:
    track = Watched(confidence=50, long=30, short=5)
    nn.init.constant_(track.last.bias, -50)
    track.follow(Patch().frame(0))
    assert track.learned[-1] == (41, 5 * 8, 5 * 16)
    assert track.shift == pytest.approx(0.66)


def test_only_the_connected_layers_learn_and_only_those_of_the_track() -> None:
    ours = tracker()
    before = {name: value.clone() for name, value in ours.state_dict().items()}
    ours.start(Patch().frame(0), Box(*Patch().boxes[0]))
    taught = [layer for layer in ours.track.head if isinstance(layer, nn.Linear)]
    assert len(taught) == 3
    assert not torch.equal(taught[0].weight, ours.network.connected[0].weight)
    ours.follow(Patch().frame(1))
    after = ours.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(value, before[name]) for name, value in after.items())
    assert all(name.startswith("network.") for name in after)


def test_fc6_learns_ten_times_as_fast() -> None:
    layers = [nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2)]
    assert [group["lr"] for group in groups(layers, rate=3e-4)] == pytest.approx([3e-4, 6e-4])
    assert [len(group["params"]) for group in groups(layers, rate=3e-4)] == [2, 2]


def test_a_track_is_a_function_of_its_seed_and_disturbs_no_other() -> None:
    ours, film = tracker(), Patch()
    torch.manual_seed(1)
    np.random.seed(1)
    expected = torch.rand(1).item(), np.random.rand()
    torch.manual_seed(1)
    np.random.seed(1)
    boxes = followed(ours, film)
    assert (torch.rand(1).item(), np.random.rand()) == expected
    assert np.array_equal(followed(ours, film), boxes)
    assert np.array_equal(followed(deepcopy(ours), film), boxes)
    assert not np.array_equal(followed(tracker(track_seed=1), film), boxes)


def test_a_copy_goes_on_where_the_track_was() -> None:
    ours, film = tracker(), Patch()
    ours.start(film.frame(0), Box(*film.boxes[0]))
    ours.follow(film.frame(1))
    copy = deepcopy(ours)
    boxes = [ours.follow(film.frame(i)) for i in (2, 3, 4)]
    assert [copy.follow(film.frame(i)) for i in (2, 3, 4)] == boxes


@pytest.mark.parametrize("calm", [torch.inference_mode, torch.no_grad, torch.enable_grad])
def test_learns_whether_or_not_its_caller_needs_gradients(calm: Callable[[], torch.autograd.grad_mode.no_grad]) -> None:
    film, ours = Patch(frames=4), tracker()
    with calm():
        boxes = followed(ours, film)
    assert np.array_equal(boxes, evaluate(TrackingBenchmark("x", [film]), ours).shown["track-patch"])


def test_a_track_whose_learning_diverges_says_so() -> None:
    film, ours = Patch(), tracker(first_rate=1e9)
    ours.start(film.frame(0), Box(*film.boxes[0]))
    with pytest.raises(ValueError, match=r"got nan: learning diverged\. Lower first_rate or update_rate\."):
        ours.follow(film.frame(1))


def test_follows_a_patch() -> None:
    """Convolutions of chance will do, and it is not the first box that does it."""
    film = Patch(frames=25)
    benchmark = TrackingBenchmark("patch", [film])
    ours, floor = (
        benchmark.scoring.aggregate(evaluate(benchmark, each).units)["success_auc"] for each in (tracker(), FirstBox())
    )
    assert ours > floor + 0.3


@pytest.mark.parametrize(
    "box",
    [
        Box(-40.0, 20.0, 40.0, 30.0),
        Box(240.0, 20.0, 40.0, 30.0),
        Box(20.0, 181.0, 40.0, 30.0),
        Box(20.0, 20.0, 0.0, 30.0),
        Box(20.0, float("nan"), 40.0, 30.0),
    ],
)
def test_a_first_box_without_a_pixel_of_the_picture_is_refused(box: Box) -> None:
    with pytest.raises(ValueError, match="a first box with some of the 240x180 picture in it"):
        tracker().start(Patch().frame(0), box)


def test_grey_frames_are_refused_unless_they_are_rgb() -> None:
    ours, grey = tracker(), Patch().frame(0)[..., 0]
    with pytest.raises(ValueError, match=r"an RGB frame of bytes, .* got uint8 of shape \(180, 240\)"):
        ours.start(grey, BOX)
    with pytest.raises(ValueError, match="got float64"):
        ours.start(Patch().frame(0) / 255, BOX)
    ours.start(np.dstack([grey] * 3), BOX)
    with pytest.raises(ValueError, match="an RGB frame"):
        ours.follow(grey)
    assert np.isfinite(ours.follow(np.dstack([grey] * 3))).all()


@pytest.mark.parametrize(
    "box",
    [
        Box(100.0, 80.0, 2.0, 1.0),
        Box(235.0, 170.0, 30.0, 40.0),
        Box(-20.0, -10.0, 25.0, 14.0),
        Box(0.0, 0.0, 240.0, 180.0),
        Box(-100.0, -100.0, 500.0, 400.0),
    ],
    ids=["tiny", "leaving", "entering", "all", "more"],
)
@pytest.mark.parametrize("blank", [False, True], ids=["patch", "blank"])
def test_odd_boxes_and_frames_without_texture_are_followed(box: Box, blank: bool) -> None:
    film = Patch(frames=4)
    frames = [np.full((180, 240, 3), 128, np.uint8) if blank else film.frame(i) for i in range(4)]
    ours = tracker(interval=2)
    ours.start(frames[0], box)
    for frame in frames[1:]:
        found = ours.follow(frame)
        assert np.isfinite(found).all()
        assert min(found[2:]) > 0


def test_how_a_track_learns_decides_no_weight() -> None:
    assert set(Online.model_fields) <= SMOKE.numbers(scoring=True).keys()
    assert SMOKE.numbers(scoring=False).keys() >= {"size", "padding", "channels", "learning_rate"}


@pytest.mark.shared_data
def test_learns_and_follows_real_sequences(shared_data: Path) -> None:
    (crossing,) = [video for video in open_otb(shared_data / "tracking_otb") if video.name == "Crossing"]
    pupil = learner(domains=1)
    for step in range(2):
        assert pupil.step(Regions([crossing], SMOKE)(step))["loss"].isfinite()
    benchmark = FAMILY.benchmark(SMOKE.but(scored_on="tracking_otb"), Inputs(datasets=shared_data))
    assert isinstance(benchmark, TrackingBenchmark)
    assert benchmark.protocol == "tracking_otb-test/ope@1"
    assert len(followed(pupil.eval().predictor(), crossing)) == 120
