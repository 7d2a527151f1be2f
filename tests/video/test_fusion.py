"""Fusion: weights counted by hand, extents in time as the paper draws them, and what a single frame cannot tell."""

from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional

from zoo.contracts import Inputs
from zoo.data.ucf101 import Video
from zoo.evaluation.action import video_scores
from zoo.evaluation.evaluate import evaluate
from zoo.tasks.action import ActionFacts
from zoo.training import train
from zoo.video.clips import RandomClips
from zoo.video.fusion import EARLY_FUSION, LATE_FUSION, SINGLE_FRAME, SLOW_FUSION, Fusion, FusionLearner

FAMILIES = {family.name: family for family in (SINGLE_FRAME, EARLY_FUSION, LATE_FUSION, SLOW_FUSION)}
MANY = ActionFacts(classes=tuple(f"{i}" for i in range(101)))
EIGHT = ActionFacts(classes=tuple("abcdefgh"))

CONV1 = 11 * 11 * 3 * 96 + 96
CONV2 = 5 * 5 * 96 * 256 + 256
CONV3 = 3 * 3 * 256 * 384 + 384
CONV4 = 3 * 3 * 384 * 384 + 384
CONV5 = 3 * 3 * 384 * 256 + 256
SINGLE = CONV1 + CONV2 + CONV3 + CONV4 + CONV5
SLOW = SINGLE + 3 * (CONV1 - 96) + (CONV2 - 256) + (CONV3 - 384)  # 4, 2 and 2 frames


def connected(units: int, classes: int) -> int:
    return units * 4096 + 4096 + 4096 * 4096 + 4096 + 4096 * classes + classes


def of_the_paper(name: str, classes: int = 487, **changes: object) -> Fusion:
    """On the meta device: shapes without numbers."""
    recipe = FAMILIES[name].recipe("paper", **changes)
    with torch.device("meta"):
        return FusionLearner(recipe, ActionFacts(classes=("",) * classes)).network


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(
    ("name", "of_a_stream", "times", "millions"),
    [
        ("single-frame", SINGLE, 1, 73.9),
        ("early-fusion", SINGLE + 9 * (CONV1 - 96), 1, 74.2),
        ("late-fusion", SINGLE, 2, 125.3),
        ("slow-fusion", SLOW, 1, 75.5),
    ],
)
def test_parameters_of_the_papers_networks(name: str, of_a_stream: int, times: int, millions: float) -> None:
    """One stream of 170 pixels ends at 7 x 7 x 256 (section 3.1); two of 89 do so without the last pooling (3.2)."""
    one = parameters(of_the_paper(name, foveated=False, crop=170))
    assert one == of_a_stream + connected(times * 7 * 7 * 256, 487)
    assert one / 1e6 == pytest.approx(millions, abs=0.05)
    assert parameters(of_the_paper(name)) == 2 * of_a_stream + connected(2 * times * 7 * 7 * 256, 487)


@pytest.mark.parametrize(
    ("name", "seen", "extents", "left"),
    [
        ("single-frame", 1, [1, 1, 1, 1, 1], [1, 1, 1, 1, 1]),
        ("early-fusion", 10, [10, 1, 1, 1, 1], [1, 1, 1, 1, 1]),
        ("late-fusion", 2, [1, 1, 1, 1, 1], [2, 2, 2, 2, 2]),
        ("slow-fusion", 10, [4, 2, 2, 1, 1], [4, 2, 1, 1, 1]),
    ],
)
def test_time_layer_by_layer(name: str, seen: int, extents: list[int], left: list[int]) -> None:
    """Figure 1: how many frames a filter sees, and how many responses are left of time after it."""
    network = of_the_paper(name)
    shapes: list[int] = []
    layers = [layer for layer in network.streams[0] if isinstance(layer, nn.Conv3d)]
    for layer in layers:
        layer.register_forward_hook(lambda _layer, _inputs, output: shapes.append(output.shape[2]))
    network.streams[0](torch.zeros(1, 3, seen, 89, 89, device="meta"))
    assert len(network.frames) == seen
    assert [layer.kernel_size[0] for layer in layers] == extents
    assert shapes == left


def test_early_fusion_is_a_flat_convolution_of_30_channels() -> None:
    """And of no other layer: an extent of 1 is a convolution of pictures."""
    torch.manual_seed(0)
    network = small("early-fusion")
    first, second = (layer for layer in network.streams[0] if isinstance(layer, nn.Conv3d) and layer.in_channels < 25)
    clip = torch.randn(2, 3, 10, 60, 60)
    flat = first.weight.transpose(1, 2).flatten(1, 2)
    assert flat.shape[1] == 3 * 10
    expected = functional.conv2d(clip.transpose(1, 2).flatten(1, 2), flat, stride=2, padding=3)
    torch.testing.assert_close(first(clip)[:, :, 0], expected, rtol=1e-4, atol=1e-4)
    assert second.kernel_size[0] == 1


def test_late_fusion_has_one_set_of_weights_for_two_frames_15_apart() -> None:
    """What the second frame says is what it says as the first; exchanged, they say something else together."""
    torch.manual_seed(0)
    network = small("late-fusion").eval()
    clip = torch.randint(0, 256, (1, 3, 16, 60, 60), dtype=torch.uint8)
    other = clip.flip(2)
    said, turned = (network.streams[0](part[:, :, [0, 15]].float()) for part in (clip, other))
    torch.testing.assert_close(said, turned.flip(2))
    middle = clip.clone()
    middle[:, :, 1:15] = 0
    assert torch.equal(network(clip), network(middle))
    assert not torch.allclose(network(clip), network(other))


def test_streams_see_the_whole_at_half_its_size_and_the_middle() -> None:
    torch.manual_seed(0)
    recipe = SINGLE_FRAME.recipe("smoke", foveated=True)
    network = FusionLearner(recipe, EIGHT).network.eval()
    clip = torch.full((1, 3, 1, 60, 60), 40, dtype=torch.uint8)
    clip[..., 15:45, 15:45] = 200
    seen: list[torch.Tensor] = []
    for stream in network.streams:
        stream.register_forward_pre_hook(lambda _stream, given: seen.append(given[0]))
    network(clip)
    context, fovea = seen
    assert context.shape == fovea.shape == (1, 3, 1, 30, 30)
    assert set(fovea.unique().tolist()) == {200 - 117.0}
    assert (context[0, 0, 0, 15, 15].item(), context[0, 0, 0, 0, 0].item()) == (200 - 117.0, 40 - 117.0)


def test_response_normalisation_by_hand() -> None:
    """Section 3.1: k = 2, n = 5, alpha = 1e-4, beta = 0.5; the sum is over five channels, not their mean."""
    layer = next(layer for layer in of_the_paper("single-frame").streams[0] if isinstance(layer, nn.LocalResponseNorm))
    x = torch.randn(1, 7, 1, 1, 1) * 100
    around = sum(x[0, i].item() ** 2 for i in range(1, 6))
    assert layer(x)[0, 3].item() == pytest.approx(x[0, 3].item() / (2 + 1e-4 * around) ** 0.5, rel=1e-5)


@pytest.mark.parametrize("name", ["late-fusion", "slow-fusion"])
def test_a_fresh_network_of_the_paper_tells_clips_apart(name: str) -> None:
    """By more than bf16 rounds off (2^-9)."""
    torch.manual_seed(0)
    network = FusionLearner(FAMILIES[name].recipe("paper"), MANY).eval().network
    coarse = torch.randint(0, 256, (2, 3, 4, 7, 7)).float()
    clips = functional.interpolate(coarse, size=(network.clip_length, 178, 178), mode="trilinear").to(torch.uint8)
    with torch.inference_mode():
        one, other = network(clips)
    assert (one - other).square().mean().sqrt() > 2**-9


def test_frames_and_crops_that_cannot_be() -> None:
    for frames in ((), (1, 2), (0, 5, 3), (0, 0)):
        with pytest.raises(ValueError, match="frames"):
            SINGLE_FRAME.recipe("mini", frames=frames)
    with pytest.raises(ValueError, match="expected an even one, got 177"):
        SINGLE_FRAME.recipe("paper", crop=177)


@pytest.mark.shared_data
@pytest.mark.parametrize("name", FAMILIES)
def test_names_something_in_official_videos(name: str, shared_data: Path) -> None:
    """Four clips of UCF-101 in their own size, by the benchmark's ten clips each."""
    torch.manual_seed(0)
    network = small(name).eval()
    with torch.inference_mode():
        for path in sorted((shared_data / "action_ucf101" / "UCF-101").glob("*/*.avi")):
            scores = video_scores(network, Video(path, 0))
            assert scores.shape == (8,)
            assert scores.sum() == pytest.approx(1, abs=1e-5)


@pytest.mark.slow
def test_a_single_frame_stays_at_chance_and_fused_ones_do_not(datasets: Path, tmp_path: Path) -> None:
    """`mini`: chance is 1/8, of 112 videos within two binomial deviations; fused frames reach twice that."""
    inputs, accuracy = Inputs(datasets=datasets), {}
    for name, family in FAMILIES.items():
        recipe = family.recipe("mini")
        trained = train(family, recipe, inputs, tmp_path / name)
        benchmark = family.benchmark(recipe, inputs)
        units = evaluate(benchmark, trained.learner.predictor()).units
        accuracy[name] = benchmark.scoring.aggregate(units)["accuracy"]
    assert accuracy.pop("single-frame") <= 3 / 16
    assert min(accuracy.values()) >= 2 / 8


def test_what_it_learns_from_is_as_long_as_it_looks_at(datasets: Path) -> None:
    for name, length in (("single-frame", 1), ("early-fusion", 10), ("late-fusion", 16), ("slow-fusion", 10)):
        recipe = FAMILIES[name].recipe("smoke", batch_size=2)
        batch = RandomClips(recipe, Inputs(datasets=datasets))(0)
        assert batch["clip"].shape == (2, 3, length, 60, 60)


def small(name: str) -> Fusion:
    return FusionLearner(FAMILIES[name].recipe("smoke"), EIGHT).network
