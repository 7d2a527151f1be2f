"""SiamFC's parts against hand-worked cases and naive loops, and the tracker on frames where the answer is known."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from zoo.contracts import Inputs
from zoo.data.otb import open_otb
from zoo.evaluation.tracking import TrackingBenchmark, one_pass
from zoo.tasks.tracking import Box
from zoo.tracking.siamfc import (
    FAMILY,
    Pairs,
    SiamFC,
    SiamFCLearner,
    SiamFCRecipe,
    balanced_logistic_loss,
    context_side,
    crop,
    cross_correlation,
    embedding,
    label_map,
)
from zoo.training import Updater

SMOKE = FAMILY.recipe("smoke")
PAPER = FAMILY.recipe("paper")


@dataclass(frozen=True, eq=False)
class Patch:
    """A textured square moving over noise, `step` pixels to the right and half as many down a frame."""

    frames: int = 6
    step: int = 4
    seed: int = 0
    name: str = "patch"

    @property
    def boxes(self) -> np.ndarray:
        return np.array([(60 + self.step * i, 50 + self.step * i // 2, 32, 32) for i in range(self.frames)], float)

    def __len__(self) -> int:
        return self.frames

    def frame(self, i: int) -> np.ndarray:
        rng = np.random.default_rng(self.seed)
        picture = rng.integers(90, 130, (180, 240, 3), dtype=np.uint8)
        patch = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8).repeat(8, axis=0).repeat(8, axis=1)
        left, top, width, height = self.boxes[i].astype(int)
        picture[top : top + height, left : left + width] = patch
        return picture


class Clock(Patch):
    """Frame i is grey of level i."""

    def frame(self, i: int) -> np.ndarray:
        return np.full((180, 240, 3), i, np.uint8)


def learner(recipe: SiamFCRecipe = SMOKE) -> SiamFCLearner:
    torch.manual_seed(0)
    return SiamFCLearner(recipe, Pairs.facts)


def trained(steps: int) -> SiamFCLearner:
    """A learner that has seen a few patches; the patch of seed 0 is not among them."""
    pupil = learner(SMOKE.but(steps=steps))
    pairs = Pairs([Patch(seed=seed) for seed in range(1, 9)], pupil.recipe)
    for step in range(steps):
        pupil.step(pairs(step))
    return pupil.eval()


def test_parameters_of_the_papers_network():
    """Table 1 by hand: support x chan. map; batch norm has two numbers a channel; conv5 alone has a bias."""
    convolutions = (
        11 * 11 * 3 * 96  # 34,848
        + 5 * 5 * 48 * 256  # 307,200
        + 3 * 3 * 256 * 384  # 884,736
        + 3 * 3 * 192 * 384  # 663,552
        + 3 * 3 * 192 * 256  # 442,368
    )
    assert convolutions == 2_332_704
    network = SiamFC(PAPER.channels, kernel=PAPER.kernel, stride=PAPER.stride)
    expected = convolutions + 2 * (96 + 256 + 384 + 384) + 256 + 1  # and the b of section 2.1
    assert sum(parameter.numel() for parameter in network.parameters()) == expected == 2_335_201


@pytest.mark.parametrize("recipe", ["paper", "smoke"])
def test_sizes_of_table_1(recipe):
    """127 -> 59 29 25 12 10 8 6 and 255 -> 123 61 57 28 26 24 22; half the resolution meets them at conv1."""
    numbers = FAMILY.recipe(recipe)
    layers = embedding((6, 8, 8, 8, 8), kernel=numbers.kernel, stride=numbers.stride)
    for size, expected in (
        (numbers.exemplar_size, [59, 29, 25, 12, 10, 8, 6]),
        (numbers.search_size, [123, 61, 57, 28, 26, 24, 22]),
    ):
        image, seen = torch.zeros(1, 3, size, size), []
        for layer in layers:
            image = layer(image)
            if isinstance(layer, torch.nn.Conv2d | torch.nn.MaxPool2d):
                seen.append(image.shape[-1])
        assert seen == expected


def test_cross_correlation_is_a_sliding_inner_product():
    exemplar, search = torch.randn(3, 5, 2, 3), torch.randn(3, 5, 6, 7)
    response = cross_correlation(exemplar, search)
    assert response.shape == (3, 5, 5)
    for n in range(3):
        for y in range(5):
            for x in range(5):
                window = search[n, :, y : y + 2, x : x + 3]
                assert response[n, y, x].item() == pytest.approx((exemplar[n] * window).sum().item(), abs=1e-4)


def test_label_map_by_hand():
    """Radius 2 on 7 x 7: a disc of 13 cells; the paper's 17 x 17 at R = 16, k = 8 has the same 13."""
    expected = """
        - - - - - - -
        - - - + - - -
        - - + + + - -
        - + + + + + -
        - - + + + - -
        - - - + - - -
        - - - - - - -"""
    signs = [[1 if cell == "+" else -1 for cell in line.split()] for line in expected.split("\n")[1:]]
    assert label_map(7, radius=2).tolist() == signs
    paper = SiamFCLearner(PAPER, Pairs.facts).label
    assert paper.shape == (17, 17)
    assert (paper > 0).sum() == 13


def test_balanced_loss_by_hand():
    """One positive cell of nine, response 0 there and ln 3 elsewhere: (ln 2 + ln 4) / 2."""
    label = label_map(3, radius=0)
    response = torch.full((1, 3, 3), 3.0).log()
    response[0, 1, 1] = 0
    assert balanced_logistic_loss(response, label).item() == pytest.approx(np.log(8) / 2)


def test_shifting_the_search_by_the_stride_shifts_the_response_by_a_cell():
    network = learner().network.eval()
    rng = torch.Generator().manual_seed(1)
    picture = torch.randint(0, 256, (1, 3, 160, 160), generator=rng, dtype=torch.uint8)
    exemplar = picture[..., 40:103, 40:103]
    k = SMOKE.total_stride
    with torch.no_grad():
        here = network(exemplar, picture[..., :127, :127])
        there = network(exemplar, picture[..., 2 * k : 127 + 2 * k, k : 127 + k])
    torch.testing.assert_close(there[:, :-2, :-1], here[:, 2:, 1:])
    assert not torch.allclose(there, here, rtol=1e-2)


def test_context_by_hand():
    # 30 x 50: p = 20, (30 + 40) (50 + 40) = 6300
    assert context_side(np.array([30.0, 50.0])) == pytest.approx(6300**0.5)


def test_a_crop_at_its_own_size_is_a_slice():
    frame = Patch().frame(0)
    assert np.array_equal(crop(frame, np.array([100.0, 90.0]), 63, size=63), frame[59:122, 69:132])


def test_a_crop_outside_the_frame_is_the_mean_colour():
    frame = Patch().frame(0)
    picture = crop(frame, np.array([0.0, 0.0]), 63, size=63)
    assert np.abs(picture[:31].astype(float) - frame.mean((0, 1))).max() <= 0.5
    assert np.array_equal(picture[31:, 31:], frame[:32, :32])


def test_a_crop_that_shrinks_averages():
    """A chequerboard at a quarter of its size is grey: nothing is skipped over."""
    board = np.kron(np.indices((60, 60)).sum(0) % 2, np.ones((2, 2)))[..., None] * np.full(3, 255)
    picture = crop(board.astype(np.uint8), np.array([59.5, 59.5]), 80, size=20)
    assert picture.min() >= 127
    assert picture.max() <= 128


@pytest.mark.parametrize("scale", [0.5, 1.7, 3.0])
def test_crop_geometry_goes_there_and_back(scale):
    """A dot at a known place of the frame is found in the crop where the crop's scale says."""
    frame = np.zeros((300, 300, 3), np.uint8)
    frame[148:153, 168:173] = 255  # centre (170, 150)
    picture = crop(frame, np.array([160.0, 155.0]), 100 * scale, size=100).astype(float)[..., 0]
    ys, xs = np.indices(picture.shape)
    seen = np.array([(xs * picture).sum(), (ys * picture).sum()]) / picture.sum()
    assert (seen - 49.5) * scale + (160.0, 155.0) == pytest.approx([170, 150], abs=0.2)


def test_pairs_are_a_function_of_seed_and_step():
    videos = [Patch(seed=seed) for seed in range(3)]
    one, other = Pairs(videos, SMOKE), Pairs(videos, SMOKE)
    other(0)
    for name, shape in (("exemplar", (8, 3, 63, 63)), ("search", (8, 3, 127, 127))):
        assert one(5)[name].shape == shape
        assert torch.equal(one(5)[name], other(5)[name])
        assert not torch.equal(one(5)[name], one(6)[name])
        assert not torch.equal(one(5)[name], Pairs(videos, SMOKE.but(seed=1))(5)[name])


def test_pairs_lie_within_the_gap_and_are_never_one_frame():
    batch = Pairs([Clock()], SMOKE.but(max_gap=2, colour_shift=0, batch_size=200))(0)
    z, x = (batch[name].float().mean((1, 2, 3)).round().int() for name in ("exemplar", "search"))
    assert set((x - z).tolist()) == {-2, -1, 1, 2}


def test_pairs_of_a_calm_recipe_show_the_object_in_the_middle():
    calm = SMOKE.but(max_shift=0, max_stretch=0, colour_shift=0)
    batch = Pairs([Patch()], calm)(0)
    # one object, so that the middle of every exemplar and of every search image is the same to within rounding
    middle = batch["search"][:, :, 32:95, 32:95].float()
    inner = slice(18, 45)  # the object itself, without its context
    assert (middle - batch["exemplar"].float())[..., inner, inner].abs().mean() < 2


def test_sequences_without_two_boxes_cannot_train():
    with pytest.raises(ValueError, match="boxes in at least 2 frames, got none in 1 sequences"):
        Pairs([Patch(frames=1)], SMOKE)


def test_a_peak_is_where_it_was_put():
    """A response that is a bump on a cell is found there, in crop pixels, and the scale that has it wins."""
    tracker = learner().predictor()
    response = torch.zeros(3, 17, 17)
    response[2, 8 + 3, 8 - 2] = 5
    best, displacement = tracker._peak(response)
    assert best == 2
    # bicubic keeps the samples; the cosine window pulls by less than a tenth of a cell
    assert displacement == pytest.approx([-2 * 4, 3 * 4], abs=0.4)


def test_a_tie_between_scales_keeps_the_scale():
    assert learner().predictor()._peak(torch.randn(1, 17, 17).expand(3, -1, -1))[0] == 1
    assert learner().predictor()._peak(torch.randn(1, 17, 17).expand(3, -1, -1) - 100)[0] == 1


def test_tracks_a_translated_patch():
    film = Patch()
    measured = one_pass(trained(30).predictor().eval(), film)
    assert np.abs(measured.boxes[:, :2] - film.boxes[:, :2]).max() < 2
    assert measured.boxes[:, 2:] == pytest.approx(film.boxes[:, 2:], rel=0.12)


def test_a_running_track_is_no_weight():
    predictor = learner().predictor()
    before = set(predictor.state_dict())
    predictor.start(Patch().frame(0), Box(60, 50, 32, 32))
    predictor.follow(Patch().frame(1))
    assert set(predictor.state_dict()) == before
    assert all(name.startswith("network.") for name in before)


def test_every_weight_moves():
    pupil = learner()
    before = {name: value.clone() for name, value in pupil.network.named_parameters()}
    pupil.step(Pairs([Patch()], SMOKE)(0))
    assert not [name for name, value in pupil.network.named_parameters() if torch.equal(value, before[name])]


def test_the_paper_learns_and_decays_as_the_authors_network():
    """vid_create_net.m: learningRate [1 2] and weightDecay [1 0] of convolutions, [2 1] and [0 0] of normalisation;
    add_adjust_layer.m: the response's bias as a weight."""
    pupil = learner(PAPER.but(channels=(4, 4, 4, 4, 4)))
    named = dict(pupil.network.named_parameters())
    rules = {
        value: (group["lr"] / PAPER.learning_rate, group["weight_decay"])
        for group in pupil.update.optimizer.param_groups
        for value in group["params"]
    }
    assert set(rules) == set(named.values())
    for name, value in named.items():
        gain_or_last_bias = value.ndim == 1 and (name.endswith("weight") or name == "embedding.14.bias")
        assert rules[value] == ((2, 0) if gain_or_last_bias else (1, 0) if value.ndim == 1 else (1, 5e-4)), name


def test_the_small_recipes_learn_all_alike():
    """Exactly as one group of all parameters would, so that their weights are those of before there were groups."""
    pupil, plain = learner(), learner()
    plain.update = Updater(
        plain.network.parameters(), torch.optim.SGD, lr=SMOKE.learning_rate, momentum=0.9, weight_decay=5e-4
    )
    plain.update.schedule = pupil.update.schedule
    pairs = Pairs([Patch()], SMOKE)
    for step in range(2):
        for each in (pupil, plain):
            each.step(pairs(step))
    for name, value in pupil.network.state_dict().items():
        assert torch.equal(value, plain.network.state_dict()[name]), name


@pytest.mark.parametrize("name", ["smoke", "mini", "otb"])
def test_recipes_from_before_there_were_groups_say_how_they_learned(name: str):
    recipe = FAMILY.recipe(name)
    before = recipe.model_dump(exclude={"bias_rate", "gain_rate", "other_decay"})
    assert SiamFCRecipe.model_validate(SiamFCRecipe.upgraded(before)) == recipe
    assert SiamFCRecipe.upgraded(PAPER.model_dump()) == PAPER.model_dump()


@pytest.mark.shared_data
def test_real_sequences_train_and_track(shared_data: Path):
    (crossing,) = [video for video in open_otb(shared_data / "tracking_otb") if video.name == "Crossing"]
    pupil = learner(SMOKE.but(steps=2))
    for step in range(2):
        assert pupil.step(Pairs([crossing], pupil.recipe)(step))["loss"].isfinite()
    inputs = Inputs(datasets=shared_data)
    benchmark = FAMILY.benchmark(SMOKE.but(scored_on="tracking_otb"), inputs)
    assert isinstance(benchmark, TrackingBenchmark)
    assert benchmark.protocol == "tracking_otb-test/ope@1"
    measured = one_pass(pupil.eval().predictor(), crossing)
    assert len(measured.boxes) == 120
