"""Two-stream: hand-counted weights of CNN-M-2048, the same flows in training and after, and what each stream knows."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from zoo.catalogue import family
from zoo.contracts import Facts, Inputs, Upstream
from zoo.evaluation.action import ActionBenchmark
from zoo.evaluation.evaluate import evaluate
from zoo.tasks.action import ActionFacts
from zoo.training import train
from zoo.video.two_stream import CNNM, FAMILY, TwoStream, TwoStreamBatches, TwoStreamLearner, mirrored

FLOW = "raft-small"
ENTRY = "raft-small.collage-flow"
SMOKE = FAMILY.recipe("smoke")
PAPER = FAMILY.recipe("paper")
EIGHT = ActionFacts(classes=tuple("abcdefgh"))


@pytest.fixture(scope="module")
def inputs(datasets: Path, tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    """With a flow network that has learned nothing."""
    torch.manual_seed(0)
    of = family(FLOW)
    predictor = of.learner(of.recipe("smoke"), Facts()).predictor().eval()
    upstream = Upstream(entry=ENTRY, predictor=predictor, digest="0" * 64)
    return Inputs(datasets=datasets, upstream={ENTRY: upstream}, cache=tmp_path_factory.mktemp("cache"))


@pytest.fixture
def learner(inputs: Inputs) -> TwoStreamLearner:
    torch.manual_seed(0)
    return TwoStreamLearner(SMOKE, EIGHT, networks(inputs)).eval()


def networks(inputs: Inputs) -> dict[str, nn.Module]:
    return {entry: upstream.predictor for entry, upstream in inputs.upstream.items()}


def of_the_paper() -> TwoStreamLearner:
    """On the meta device: shapes without numbers."""
    of = family(FLOW)
    with torch.device("meta"):
        flow = of.learner(of.recipe("paper"), Facts()).predictor()
        return TwoStreamLearner(PAPER, ActionFacts(classes=("",) * 101), {PAPER.flow: flow})


def parameters(of: nn.Module) -> int:
    return sum(parameter.numel() for parameter in of.parameters())


def test_parameters_of_the_papers_temporal_stream() -> None:
    """Figure 1; full6 sees 512 x 6 x 6."""
    channels, kernels = (20, 96, 256, 512, 512, 512), (7, 5, 3, 3, 3)
    convolutions = sum(k * k * a * b + b for k, (a, b) in zip(kernels, pairwise(channels), strict=True))
    connected = sum(a * b + b for a, b in pairwise((512 * 6 * 6, 4096, 2048, 101)))
    assert parameters(of_the_paper().network.temporal) == convolutions + connected == 90_707_781


def test_the_papers_spatial_stream_learns_its_last_layer_only() -> None:
    """4096 x 101 weights and a bias for each class (table 1a)."""
    learner = of_the_paper()
    moving = [name for name, p in learner.network.spatial.named_parameters() if p.requires_grad]
    assert moving == ["classifier.6.weight", "classifier.6.bias"]
    assert parameters(learner.network.spatial) == 138_357_544 - 4097 * (1000 - 101)  # of the published VGG-16
    assert learner.network.clip_length == 11


def test_cnn_m_starts_from_gaussians_of_a_hundredth() -> None:
    """Krizhevsky et al., section 5. The first answer favours no class, whatever drops out: the loss is log 101."""
    torch.manual_seed(0)
    network = CNNM(
        20, 101, crop=96, widths=(24, 64, 128, 128, 128), head=(512, 256), normalised=1, batch_norm=False, dropout=0.9
    ).train()
    layers = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    assert len(layers) == 8
    for layer in layers:
        assert layer.weight.std().item() == pytest.approx(0.01, rel=0.02)
        assert layer.bias.count_nonzero() == 0
    scores = network(5 * torch.randn(4, 20, 96, 96))
    assert nn.functional.cross_entropy(scores, torch.arange(4)).item() == pytest.approx(np.log(101), abs=0.05)


def test_the_target_is_the_average_of_both_streams() -> None:
    """Table 4: 86.9 by averaging, which is done here; 88.0 is by an SVM. The other is of a ResNet-101."""
    assert [target.value for target in FAMILY.targets] == [0.869, 0.885]
    assert "averaged" in FAMILY.targets[0].source


def test_a_recipe_names_the_split(tmp_path: Path) -> None:
    for split in (1, 2, 3):
        recipe = PAPER.but(split=split)
        (tmp_path / "ucf101" / "ucfTrainTestlist").mkdir(parents=True, exist_ok=True)
        (tmp_path / "ucf101" / "ucfTrainTestlist" / "classInd.txt").write_text("1 Bowling\n")
        for of in (FAMILY.training_set, FAMILY.benchmark):
            with pytest.raises(ValueError, match=rf"trainlist0{split}\.txt: expected a list"):
                of(recipe, Inputs(datasets=tmp_path))


def test_responses_are_normalised_once_in_time_and_twice_in_space() -> None:
    for normalised in (1, 2):
        network = CNNM(
            2, 3, crop=64, widths=(2,) * 5, head=(2, 2), normalised=normalised, batch_norm=False, dropout=0.0
        )
        assert sum(isinstance(layer, nn.LocalResponseNorm) for layer in network.modules()) == normalised


def test_the_spatial_stream_has_learned_what_was_published(inputs: Inputs, tmp_path: Path) -> None:
    recipe = SMOKE.but(weights="vgg16-imagenet/vgg16-397923af.pth")
    with pytest.raises(ValueError, match=r"vgg16-397923af\.pth: expected the ImageNet weights"):
        TwoStreamLearner(recipe, EIGHT, networks(inputs)).begin(Inputs(datasets=tmp_path, upstream=inputs.upstream))


def test_flow_comes_from_a_copy_that_refines_as_often_as_the_recipe_says(inputs: Inputs) -> None:
    theirs = inputs.upstream[ENTRY].predictor
    before = theirs.updates
    ours = TwoStreamLearner(SMOKE.but(flow_updates=before + 2), EIGHT, networks(inputs)).network.flow
    assert (ours.updates, theirs.updates) == (before + 2, before)
    assert not any(parameter.requires_grad for parameter in ours.parameters())
    assert all(parameter.requires_grad for parameter in theirs.parameters())
    for name, value in theirs.state_dict().items():
        assert torch.equal(value, ours.state_dict()[name])


def test_what_trains_the_streams_is_what_they_predict_from(inputs: Inputs) -> None:
    """A whole video without crops: each scored frame is one of the clip's, and the flows are the clip's."""
    whole = SMOKE.but(crop=64, batch_size=1, stack=2, gap=8)
    batches = TwoStreamBatches(whole, inputs)
    torch.manual_seed(0)
    network = TwoStreamLearner(whole, EIGHT, networks(inputs)).eval().network
    batch = batches(3)
    (video,) = (v for v in batches.videos if any(same(frame, batch["frame"][0]) for frame in v.clip(0, 20)))
    clip = torch.from_numpy(video.clip(0, network.clip_length)).permute(3, 0, 1, 2)[None]
    assert batch["label"].item() == video.label
    with torch.inference_mode():
        spatial, temporal = network.streams(clip)
        torch.testing.assert_close(temporal, network.temporal_scores(batch["flow"]).softmax(1), atol=1e-3, rtol=0)
        frames = clip[0, :, ::8].transpose(0, 1)
        torch.testing.assert_close(spatial[0], network.spatial_scores(frames).softmax(1).mean(0))
        torch.testing.assert_close(network.probabilities(clip), (spatial + temporal) / 2)


def same(frame: np.ndarray, picture: Tensor) -> bool:
    return torch.equal(torch.from_numpy(frame).permute(2, 0, 1), picture)


def test_flows_that_clips_share_are_estimated_once(inputs: Inputs, learner: TwoStreamLearner) -> None:
    video = ActionBenchmark("collage-action", inputs).test.videos[0]
    network = learner.network
    frames = torch.from_numpy(video.clip(0, 20)).permute(3, 0, 1, 2)
    clips = torch.stack([frames[:, start : start + network.clip_length] for start in (0, 1, 0)])
    pairs: list[int] = []
    network.flow.network.register_forward_pre_hook(lambda _, inputs: pairs.append(len(inputs[0])))
    with torch.inference_mode():
        together = network.streams(clips)[1]
        apart = torch.cat([network.streams(clip[None])[1] for clip in clips])
    assert pairs == [12, 6, 6, 6]
    torch.testing.assert_close(together, apart, atol=1e-3, rtol=0)


def test_a_mirror_turns_horizontal_motion_around_by_hand() -> None:
    frame = torch.tensor([[[1, 2]]] * 3, dtype=torch.uint8)
    flows = torch.tensor([[[[5, -7]], [[3, 4]]]], dtype=torch.int8)  # right by 5 and -7, down by 3 and 4
    turned_frame, turned = mirrored(frame, flows)
    assert turned_frame.tolist() == [[[2, 1]]] * 3
    assert turned.tolist() == [[[[7, -5]], [[4, 3]]]]


def test_the_mean_of_a_flow_says_nothing(learner: TwoStreamLearner) -> None:
    """A camera that moves adds the same to every pixel."""
    torch.manual_seed(0)
    still = torch.randint(-40, 40, (2, SMOKE.stack, 2, SMOKE.crop, SMOKE.crop), dtype=torch.int8)
    moved = still + torch.tensor([30, -50], dtype=torch.int8).view(2, 1, 1)
    torch.testing.assert_close(learner.network.temporal_scores(still), learner.network.temporal_scores(moved))


def test_the_spatial_stream_stops_and_the_temporal_goes_on(inputs: Inputs) -> None:
    torch.manual_seed(0)
    recipe = SMOKE.but(spatial_steps=2, drops=(2,), spatial_drops=(1,), batch_size=4)
    learner = TwoStreamLearner(recipe, EIGHT, networks(inputs)).train()
    batches = TwoStreamBatches(recipe, inputs)
    rates = []
    for step in range(4):
        learner.step(batches(step))
        updaters = (learner.update_spatial, learner.update_temporal)
        rates.append([round(u.optimizer.param_groups[0]["lr"] / recipe.learning_rate, 6) for u in updaters])
    assert rates == [[1, 1], [0.1, 1], [0.1, 0.1], [0.1, 0.1]]
    assert (learner.update_spatial.updates, learner.update_temporal.updates) == (2, 4)


class OneStream:
    """A stream of a trained model by itself."""

    def __init__(self, network: TwoStream, which: int) -> None:
        self.network, self.which, self.clip_length = network, which, network.clip_length

    def probabilities(self, clips: Tensor) -> Tensor:
        return self.network.streams(clips)[self.which]


@pytest.mark.slow
def test_motion_tells_and_a_frame_does_not(datasets: Path, tmp_path: Path) -> None:
    """`mini`: at least three times chance (1/8) by both streams and by flow alone, less than twice by frames alone."""
    of = family(FLOW)
    flow = train(of, of.recipe("mini"), Inputs(datasets=datasets), tmp_path / FLOW).learner.predictor().eval()
    upstream = Upstream(entry=ENTRY, predictor=flow, digest="0" * 64)
    inputs = Inputs(datasets=datasets, upstream={ENTRY: upstream}, cache=tmp_path / "cache")
    trained = train(FAMILY, FAMILY.recipe("mini"), inputs, tmp_path / "two-stream")
    network, benchmark = trained.learner.predictor(), ActionBenchmark("collage-action", inputs)
    both, spatial, temporal = (
        benchmark.scoring.aggregate(evaluate(benchmark, predictor).units)["accuracy"]
        for predictor in (network, OneStream(network, 0), OneStream(network, 1))
    )
    assert both >= 3 / 8
    assert temporal >= 3 / 8
    assert spatial < 2 / 8
