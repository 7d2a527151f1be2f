"""The network against sums worked by hand, torchvision and bilinear interpolation; its batches; its weights file."""

import hashlib
import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional

from zoo.contracts import Inputs
from zoo.data.segmentation import VOID
from zoo.evaluation.evaluate import evaluate
from zoo.segmentation.fcn import FCN, FCN8S, FCN16S, FCN32S, FCNLearner, FCNRecipe, Skip, scaled_crop, summed_loss
from zoo.tasks.segmentation import SegmentationFacts

SMALL = {"width": 4, "head": 8}
FAMILIES = (FCN32S, FCN16S, FCN8S)


def small(stride: int, *, classes: int = 3) -> FCN:
    """A narrow network whose scores are not all zero, as they are at the start."""
    torch.manual_seed(0)
    network = FCN(classes, stride=stride, skip_scales=(1.0, 1.0), **SMALL).eval()
    for name, parameter in network.named_parameters():
        if "score" in name:
            torch.nn.init.normal_(parameter)
    return network


def picture(height: int, width: int) -> torch.Tensor:
    return torch.randint(0, 256, (2, 3, height, width), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("stride", [32, 16, 8])
def test_parameters_add_up_to_the_papers_134_million(stride: int) -> None:
    with torch.device("meta"):
        counted = sum(parameter.numel() for parameter in FCN(21, stride=stride).parameters())
    widths = [3, 64, 64, 128, 128, *[256] * 3, *[512] * 6]
    vgg = sum(9 * before * after + after for before, after in pairwise(widths))
    head = (7 * 7 * 512 * 4096 + 4096) + (4096 * 4096 + 4096)
    upsample = 4 * 4 * 21 * 21
    coarse = vgg + head + (4096 * 21 + 21)
    pool4, pool3 = (512 * 21 + 21) + upsample, (256 * 21 + 21) + upsample
    assert counted == {32: coarse, 16: coarse + pool4, 8: coarse + pool4 + pool3}[stride]
    assert round(counted / 1e6) == 134  # table 1


@pytest.mark.parametrize("stride", [32, 16, 8])
@pytest.mark.parametrize("size", [(64, 96), (37, 101), (1, 1)])
def test_answers_at_the_size_of_the_picture(stride: int, size: tuple[int, int]) -> None:
    network = small(stride)
    labels = network.segment(picture(*size))
    assert labels.shape == (2, *size)
    assert labels.dtype == torch.int64
    assert torch.equal(labels, network(picture(*size)).argmax(1))


def test_upsampling_starts_as_bilinear_interpolation() -> None:
    coarse = torch.randn(2, 5, 7, 6)
    skip = Skip(4, 5, scale=1.0)
    fine = skip(coarse, torch.randn(2, 4, 14, 12))
    expected = functional.interpolate(coarse, scale_factor=2, mode="bilinear", align_corners=False)
    # At the border interpolation repeats the last value where a transposed convolution sees nothing.
    inside = np.s_[..., 1:-1, 1:-1]
    torch.testing.assert_close(fine[inside], expected[inside])


def test_upsampling_is_a_convolution_whose_matrix_is_transposed() -> None:
    torch.manual_seed(0)
    upsample = Skip(4, 3, scale=1.0).upsample
    nn.init.normal_(upsample.weight)
    coarse, fine = (3, 5, 4), (3, 10, 8)  # classes, height, width
    # The convolution with the same weights that goes the other way, column by column.
    units = torch.eye(math.prod(fine)).view(-1, *fine)
    matrix = functional.conv2d(units, upsample.weight, stride=2, padding=1).flatten(1).T
    scores = torch.randn(coarse)
    torch.testing.assert_close(upsample(scores[None]).flatten(), matrix.T @ scores.flatten())


def test_a_transposed_convolution_worked_by_hand() -> None:
    """Each value of the input stamps the kernel, one pixel further on: where stamps overlap they add up."""
    layer = type(Skip(1, 1, scale=1.0).upsample)(1, 1, 3, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0, 4, 1], [1, 4, 3], [3, 3, 1]]))
    stamped = layer(torch.tensor([[[[2.0, 1], [4, 4]]]]))[0, 0]
    assert stamped.tolist() == [[2, 9, 6, 1], [6, 29, 30, 7], [10, 29, 33, 13], [12, 24, 16, 4]]


@pytest.mark.parametrize("stride", [32, 16, 8])
def test_scores_line_up_with_the_picture(stride: int) -> None:
    """With kernels that are their own mirror images, a mirrored picture has the mirrored scores: nothing is shifted."""
    network = small(stride)
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim == 4:
                parameter.copy_((parameter + parameter.flip(-1) + parameter.flip(-2) + parameter.flip(-2, -1)) / 4)
    image = picture(64, 96)
    scores = network(image)
    assert scores.std() > 0.1
    for axes in ((-1,), (-2,)):
        torch.testing.assert_close(network(image.flip(axes)), scores.flip(axes), rtol=1e-3, atol=1e-3)


def test_each_skip_changes_the_scores() -> None:
    network = small(8)
    before = network(picture(64, 64))
    for skip in network.skips:
        with torch.no_grad():
            skip.score.weight.add_(1.0)
        after = network(picture(64, 64))
        assert not torch.allclose(before, after)
        before = after


def test_the_strides_share_all_but_the_skips() -> None:
    names = [{name.split(".")[0] for name, _ in FCN(3, stride=s, **SMALL).named_parameters()} for s in (32, 8)]
    assert names[1] - names[0] == {"skips"}
    assert [len(FCN(3, stride=s, **SMALL).skips) for s in (32, 16, 8)] == [0, 1, 2]


def test_takes_over_a_torchvision_vgg16() -> None:
    torch.manual_seed(0)
    theirs = torchvision.models.vgg16(init_weights=False)
    ours = FCN(21, stride=32).eval()
    ours.start_from(theirs.state_dict())
    image = picture(224, 224)[:1]
    normalised = (image - ours.mean) / ours.deviation
    x = normalised
    for stage in ours.stages:
        x = stage(x)
    torch.testing.assert_close(x, theirs.features(normalised))
    # The middle cell of the 7x7 head sees the whole of the 7x7 map: exactly what the classifier sees.
    torch.testing.assert_close(
        ours.head(x)[..., 3, 3], theirs.eval().classifier[:6](x.flatten(1)), atol=1e-4, rtol=1e-4
    )


def test_takes_over_caffes_vgg16_whose_blue_comes_first() -> None:
    torch.manual_seed(0)
    theirs = torchvision.models.vgg16(init_weights=False)
    ours = FCN(21, stride=32, pixels="caffe")
    ours.start_from(theirs.state_dict())
    image = picture(32, 32)
    their_mean = torch.tensor((104.00699, 116.66877, 122.67892)).view(3, 1, 1)  # blue, green, red; nothing is divided
    expected = theirs.features[:5](image.flip(1) - their_mean)
    torch.testing.assert_close(ours.stages[0]((image - ours.mean) / ours.deviation), expected, atol=1e-3, rtol=1e-4)


def test_targets_are_those_of_the_authors_table_and_of_who_reproduced_it() -> None:
    """FCN-8s at once, as trained here, compares with 65.4."""
    values = {family.name: [target.value for target in family.targets] for family in FAMILIES}
    assert values == {"fcn32s": [0.636, 0.6284], "fcn16s": [0.65, 0.6491], "fcn8s": [0.654, 0.6474, 0.655, 0.6549]}
    assert "at once, as here" in FCN8S.targets[0].source


def test_missing_weights_say_what_to_fetch(tmp_path: Path) -> None:
    inputs = Inputs(datasets=tmp_path)
    for family in FAMILIES:
        recipe = family.recipe("paper")
        with torch.device("meta"):
            learner = family.learner(recipe, SegmentationFacts(classes=("a", "b")))
        with pytest.raises(ValueError, match=r"Run `zoo data fetch vgg16-imagenet`"):
            learner.begin(inputs)


def test_weights_must_be_what_their_name_says(tmp_path: Path) -> None:
    (tmp_path / "vgg16-397923af.pth").write_bytes(b"something else")
    digest = hashlib.sha256(b"something else").hexdigest()
    recipe = FCN8S.recipe("paper", weights="vgg16-397923af.pth")
    with torch.device("meta"):
        learner = FCN8S.learner(recipe, SegmentationFacts(classes=("a", "b")))
    with pytest.raises(ValueError, match=f"begins with 397923af.*got {digest}"):
        learner.begin(Inputs(datasets=tmp_path))


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.name)
def test_recipes_refuse_what_cannot_be(family) -> None:
    assert set(family.recipes) >= {"smoke", "mini", "paper"}
    with pytest.raises(ValueError, match="whole pictures differ in size"):
        family.recipe("paper", batch_size=2)
    with pytest.raises(ValueError, match="fit width=64"):
        family.recipe("paper", width=32)


def test_a_crop_at_scale_one_is_a_piece_of_the_picture() -> None:
    rng = np.random.default_rng(3)
    image = rng.integers(0, 256, (16, 16, 3), np.uint8)
    label = rng.integers(0, 5, (16, 16), np.uint8)
    seen = set()
    for seed in range(8):
        crop, truth = scaled_crop(image, label, side=16, zoom=(1.0, 1.0), rng=np.random.default_rng(seed))
        mirrored = not np.array_equal(crop, image)
        seen.add(mirrored)
        assert np.array_equal(crop, image[:, ::-1] if mirrored else image)
        assert np.array_equal(truth, label[:, ::-1] if mirrored else label)
    assert seen == {False, True}


def test_a_crop_keeps_label_and_picture_together_and_is_void_outside() -> None:
    checks = np.kron(np.indices((4, 4)).sum(0) % 2, np.ones((16, 16))).astype(np.uint8)
    image, label = np.repeat(checks[..., None] * 200, 3, axis=2), checks * 7
    crop, truth = scaled_crop(image, label, side=100, zoom=(0.8, 1.4), rng=np.random.default_rng(4))
    assert set(np.unique(truth)) == {0, 7, VOID}  # nothing between two classes
    inside = truth != VOID
    same = (crop[inside].mean(1) > 100) == (truth[inside] == 7)
    assert same.mean() > 0.98  # the rest lie on the borders between squares


def test_the_loss_is_pytorchs_of_pictures_to_the_last_bit() -> None:
    """So is its gradient, without the kernel that no GPU repeats exactly."""
    torch.manual_seed(0)
    scores = torch.randn(2, 21, 40, 56)[..., 3:-4, 5:-2].mul(4)
    label = torch.randint(0, 21, (2, 33, 49))
    label[:, ::5] = VOID
    found, expected = (scores.clone().requires_grad_() for _ in range(2))
    loss = summed_loss(found, label)
    theirs = functional.cross_entropy(expected, label, ignore_index=VOID, reduction="sum")
    assert loss.item() == theirs.item() > 0
    loss.backward()
    theirs.backward()
    assert found.grad is not None
    assert torch.equal(found.grad, expected.grad)


def test_learns_two_colours() -> None:
    """Red is one class, blue the other: a few steps are enough to tell them apart, from the skips alone even."""
    torch.manual_seed(0)
    recipe = FCNRecipe(
        dataset="-",
        steps=30,
        batch_size=2,
        **SMALL,
        batch_norm=True,
        skip_scales=(1.0, 1.0),
        momentum=0.9,
        learning_rate=0.05 / (2 * 64**2),
        crop=64,
        dropout=0.0,
    )
    learner = FCNLearner(recipe, SegmentationFacts(classes=("red", "blue")), stride=8).train()
    blue = (torch.arange(64) // 16 % 2).bool().expand(2, 64, 64)
    image = torch.stack([~blue, torch.zeros_like(blue), blue], dim=1).to(torch.uint8) * 255
    label = blue.long()
    label[:, :4] = VOID
    first = learner.step({"image": image, "label": label})
    assert first["loss"].item() == pytest.approx(np.log(2))  # class scores start at zero
    for _ in range(29):
        last = learner.step({"image": image, "label": label})
    assert last["loss"] < 0.3
    assert all(scalar.ndim == 0 and not scalar.requires_grad for scalar in last.values())


@pytest.mark.shared_data
def test_two_steps_on_camvid(shared_data: Path, tmp_path: Path) -> None:
    (tmp_path / "camvid").symlink_to(shared_data / "segmentation_camvid")
    inputs = Inputs(datasets=tmp_path)
    recipe = FCN8S.recipe("camvid", batch_size=2, crop=128, width=4)
    batches = FCN8S.training_set(recipe, inputs)
    torch.manual_seed(0)
    learner = FCN8S.learner(recipe, batches.facts).train()
    losses = [learner.step(batches(step))["loss"] for step in range(2)]
    assert len(batches.facts.classes) == 11
    assert losses[1] < losses[0] == pytest.approx(np.log(11))
    again = FCN8S.training_set(recipe, inputs)(1)
    assert all(torch.equal(again[name], value) for name, value in batches(1).items())
    benchmark = FCN8S.benchmark(recipe, inputs)
    units = evaluate(benchmark, learner.predictor()).units
    assert units.rows["confusion"].shape == (9, 11, 11)
    assert 0 < benchmark.scoring.aggregate(units)["mIoU"] < 1
