"""C3D against the published table of its cost, hand-counted weights, and clips that stand still."""

from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import nn

from zoo.contracts import Inputs
from zoo.evaluation.evaluate import evaluate
from zoo.tasks.action import ActionFacts
from zoo.training import train
from zoo.video.c3d import C3D, FAMILY, C3DLearner
from zoo.video.clips import Clips, RandomClips, shrunk

SMOKE = FAMILY.recipe("smoke")
EIGHT = ActionFacts(classes=tuple("abcdefgh"))


def multiply_adds(network: nn.Module, clip: torch.Tensor) -> dict[type, list[int]]:
    """Of each layer with weights, from the shapes that pass through it."""
    found: dict[type, list[int]] = {nn.Conv3d: [], nn.Linear: []}

    def count(layer: nn.Module, _inputs: object, output: torch.Tensor) -> None:
        weight = layer.weight
        found[type(layer)].append(weight[0].numel() * output[0].numel())

    for layer in network.modules():
        if isinstance(layer, nn.Conv3d | nn.Linear):
            layer.register_forward_hook(count)
    network(clip)
    return found


def test_cost_is_that_of_the_published_table() -> None:
    """On the meta device: shapes without numbers. Fully connected rows by hand."""
    with torch.device("meta"):
        found = multiply_adds(C3D(101), torch.zeros(1, 3, 16, 112, 112, dtype=torch.uint8))
    giga = [round(cost / 1e9, 2) for cost in found[nn.Conv3d]]
    assert giga == [1.04, 11.10, 5.55, 11.10, 2.77, 5.55, 0.69, 0.69]
    assert sum(found[nn.Conv3d]) == 38_496_632_832
    assert found[nn.Linear] == [8192 * 4096, 4096 * 4096, 4096 * 101]


def test_parameters_of_the_papers_network() -> None:
    """27 weights for each pair of channels and a bias; fc6 sees 512 x 1 x 4 x 4."""
    channels = [3, 64, 128, 256, 256, 512, 512, 512, 512]
    convolutions = sum(27 * a * b + b for a, b in pairwise(channels))
    connected = sum(a * b + b for a, b in ((8192, 4096), (4096, 4096), (4096, 101)))
    with torch.device("meta"):
        assert sum(p.numel() for p in C3D(101).parameters()) == convolutions + connected == 78_409_573


def test_a_fresh_network_of_the_paper_tells_clips_apart() -> None:
    """By more than bf16 rounds logits of 0.5 (2^-9): its weights are made for 0 ... 255, not for -1 ... 1."""
    torch.manual_seed(0)
    network = C3DLearner(FAMILY.recipe("paper"), ActionFacts(classes=("",) * 101)).eval().network
    coarse = torch.randint(0, 256, (2, 3, 4, 7, 7)).float()
    clips = torch.nn.functional.interpolate(coarse, size=(16, 112, 112), mode="trilinear").to(torch.uint8)
    with torch.inference_mode():
        one, other = network(clips)
    assert (one - other).square().mean().sqrt() > 2**-9


def test_pixels_are_scaled_where_normalisation_follows_and_centred_elsewhere() -> None:
    clip = torch.full((1, 3, 2, 32, 32), 255, dtype=torch.uint8)
    for batch_norm, levels in ((True, (1.0, 1.0, 1.0)), (False, (140.2252, 147.2646, 155.525))):
        network = C3D(2, clip_length=2, crop=32, width=2, head=2, batch_norm=batch_norm).eval()
        seen: list[torch.Tensor] = []
        network.stages.register_forward_pre_hook(lambda _, given, seen=seen: seen.append(given[0]))
        network(clip)
        assert seen[0][0, :, 0, 0, 0].tolist() == pytest.approx(levels)


def test_targets_are_published_ones() -> None:
    assert [target.value for target in FAMILY.targets] == [0.823, 0.8308]


def test_a_recipe_names_the_split(tmp_path: Path) -> None:
    """Each of the three trains on its own list and is scored on its own; there is no fourth."""
    lists = tmp_path / "ucf101" / "ucfTrainTestlist"
    lists.mkdir(parents=True)
    (lists / "classInd.txt").write_text("1 Bowling\n")
    for split in (1, 2, 3):
        for part, group in (("train", split), ("test", split + 3)):
            video = f"Bowling/v_Bowling_g0{group}_c01.avi"
            (lists / f"{part}list0{split}.txt").write_text(f"{video}\n")
            path = tmp_path / "ucf101" / "UCF-101" / video
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    for split in (1, 2, 3):
        recipe = FAMILY.recipe("paper", split=split)
        benchmark = FAMILY.benchmark(recipe, Inputs(datasets=tmp_path))
        assert benchmark.protocol == f"ucf101-test{split}/actions@1"
        assert [video.name for video in benchmark.test.videos] == [f"v_Bowling_g0{split + 3}_c01"]
        with pytest.raises(ValueError, match=f"v_Bowling_g0{split}_c01.avi: expected a video"):
            FAMILY.training_set(recipe, Inputs(datasets=tmp_path))
    with pytest.raises(ValueError, match="split"):
        FAMILY.recipe("paper", split=4)


def test_the_first_pooling_leaves_time_alone() -> None:
    network = C3D(8, width=2, head=4)
    shapes = []
    for stage in network.stages:
        stage.register_forward_hook(lambda _stage, _inputs, output: shapes.append(tuple(output.shape[2:])))
    network(torch.zeros(1, 3, 16, 112, 112, dtype=torch.uint8))
    assert shapes == [(16, 56, 56), (8, 28, 28), (4, 14, 14), (2, 7, 7), (1, 4, 4)]


def test_it_sees_the_order_of_frames() -> None:
    torch.manual_seed(0)
    # A fresh network whose normalisation has seen no data answers alike to everything: it normalises by these clips.
    network = C3D(8, size=(36, 36), crop=32, width=4, head=16, batch_norm=True, dropout=0.0).train()
    clips = torch.randint(0, 256, (4, 3, 16, 64, 64), dtype=torch.uint8)
    forward, backward = network.probabilities(clips), network.probabilities(clips.flip(2))
    assert forward.shape == (4, 8)
    torch.testing.assert_close(forward.sum(1), torch.ones(4))
    assert (forward - backward).abs().max() > 1e-3


def test_predicts_from_the_central_crop_of_the_shrunk_frame() -> None:
    torch.manual_seed(0)
    network = C3D(8, size=(128, 171), crop=112, width=2, head=4).eval()
    clip = torch.randint(0, 256, (1, 3, 16, 128, 171), dtype=torch.uint8)
    central = clip[..., 8:120, 29:141]
    torch.testing.assert_close(network.probabilities(clip), network(central).softmax(1))


def test_shrinks_every_frame_by_itself() -> None:
    """By a whole factor a frame of constant blocks keeps their inside; every frame has its own level."""
    levels = torch.arange(5, dtype=torch.uint8)[None, None, :, None, None] * 40
    clips = levels.expand(2, 3, 5, 64, 48)
    assert torch.equal(shrunk(clips, (16, 12)), levels.expand(2, 3, 5, 16, 12))


def test_batches_are_cuts_of_the_videos(datasets: Path) -> None:
    """Without shrinking, every clip of a batch lies, crop and all, in a video of its class."""
    batches = RandomClips(SMOKE.but(size=(64, 64), crop=60, batch_size=3, clip_length=16), Inputs(datasets=datasets))
    batch = batches(5)
    assert batch["clip"].shape == (3, 3, 16, 60, 60)
    for clip, label in zip(batch["clip"], batch["label"], strict=True):
        videos = [video for video in batches.videos if video.label == label]
        assert any(contains(torch.from_numpy(video.clip(0, 20)).permute(3, 0, 1, 2), clip) for video in videos)


def contains(video: torch.Tensor, clip: torch.Tensor) -> bool:
    windows = video.unfold(1, 16, 1).unfold(2, 60, 1).unfold(3, 60, 1)  # 3, starts, tops, lefts, 16, 60, 60
    return any(torch.equal(window, clip) for window in windows.flatten(1, 3).unbind(1))


def test_mirrors_half_of_the_clips(datasets: Path) -> None:
    plain, mirrored = (
        RandomClips(SMOKE.but(size=(32, 32), mirror=mirror, batch_size=1), Inputs(datasets=datasets))
        for mirror in (False, True)
    )
    flipped = 0
    for step in range(40):
        one, other = plain(step)["clip"], mirrored(step)["clip"]
        assert torch.equal(one, other) or torch.equal(one, other.flip(-1))
        flipped += not torch.equal(one, other)
    assert 10 <= flipped <= 30


def test_clips_from_files_from_memory_and_from_videos_are_equal(
    datasets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    videos = RandomClips(SMOKE, Inputs(datasets=datasets)).videos[:2]
    mapped, remembered = (Clips(videos, size=(36, 36), cache=cache) for cache in (tmp_path, None))
    monkeypatch.setattr("zoo.video.clips.CACHED_BYTES", 0)
    read = Clips(videos, size=(36, 36))
    assert [clips.in_memory for clips in (mapped, remembered, read)] == [False, True, False]
    for start in (0, 3, 12, 19, 25):
        expected = read(1, start=start, length=16)
        assert torch.equal(mapped(1, start=start, length=16), expected)
        assert torch.equal(remembered(1, start=start, length=16), expected)
    assert len(list((tmp_path / "frames").iterdir())) == 1


def test_batches_are_the_same_with_and_without_a_cache(
    datasets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the disk is full: then nothing is kept."""
    without = RandomClips(SMOKE, Inputs(datasets=datasets))
    for free, kept in ((0.0, True), (1.0, False)):
        monkeypatch.setattr("zoo.video.kept.FREE", free)
        cache = tmp_path / str(free)
        batches = RandomClips(SMOKE.but(mirror=False), Inputs(datasets=datasets, cache=cache))
        for step in (0, 7, 0):
            one, other = without(step), batches(step)
            assert all(torch.equal(one[name], other[name]) for name in one)
        assert any((cache / "frames").iterdir()) == kept


def test_a_step_learns_and_biases_at_twice_the_rate() -> None:
    torch.manual_seed(0)
    learner = C3DLearner(SMOKE.but(batch_norm=False, weight_decay=0.1), EIGHT)
    weights, biases = learner.update.optimizer.param_groups
    assert (weights["lr"], biases["lr"]) == (SMOKE.learning_rate, 2 * SMOKE.learning_rate)
    assert (weights["weight_decay"], biases["weight_decay"]) == (0.1, 0)
    batch = {"clip": torch.randint(0, 256, (4, 3, 16, 32, 32), dtype=torch.uint8), "label": torch.arange(4)}
    losses = [float(C3DLearner.step(learner, batch)["loss"]) for _ in range(10)]
    assert losses[-1] < losses[0]


@pytest.mark.slow
def test_motion_tells_and_a_frame_does_not(datasets: Path, tmp_path: Path) -> None:
    """`mini`: at least three times chance (1/8) by clips, less than twice by single frames, trained alike."""
    inputs, accuracy = Inputs(datasets=datasets), {}
    for length in (FAMILY.recipe("mini").clip_length, 1):
        recipe = FAMILY.recipe("mini", clip_length=length)
        trained = train(FAMILY, recipe, inputs, tmp_path / str(length))
        benchmark = FAMILY.benchmark(recipe, inputs)
        units = evaluate(benchmark, trained.learner.predictor()).units
        accuracy[length] = benchmark.scoring.aggregate(units)["accuracy"]
    assert accuracy.pop(1) < 2 / 8
    assert min(accuracy.values()) >= 3 / 8
