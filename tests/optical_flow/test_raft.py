"""RAFT against the paper's parameter counts, hand-worked losses and pairs whose flow is known."""

from functools import partial

import numpy as np
import pytest
import torch
from torchvision.models.optical_flow import raft_large, raft_small

from zoo.contracts import Facts, Inputs
from zoo.data.flow import FlowPair
from zoo.data.sources import SOURCES
from zoo.optical_flow.raft import (
    RAFT,
    RAFT_SMALL,
    FlowBatches,
    RAFTLearner,
    RAFTRecipe,
    centre,
    mirrored,
    one_cycle,
    scaled,
    sequence_loss,
    varied,
)

SMOKE = RAFT_SMALL.recipe("smoke")


def ramp(height: int = 24, width: int = 32) -> FlowPair:
    """A smooth picture and flow in which position can be read off."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    picture = np.dstack((4 * x, 6 * y, 0 * x)).astype(np.uint8)
    return FlowPair(picture, picture + np.uint8(1), np.dstack((x, y)), np.ones((height, width), bool))


@pytest.mark.parametrize(
    ("family", "published", "rounded"), [(RAFT, raft_large, 5.3e6), (RAFT_SMALL, raft_small, 1.0e6)]
)
def test_paper_recipe_is_the_published_network(family, published, rounded: float) -> None:
    """Table 2 of the paper: 5.3 M and 1.0 M."""
    ours = family.learner(family.recipe("paper"), Facts()).network
    theirs = published(weights=None)
    shapes = [{name: value.shape for name, value in network.state_dict().items()} for network in (ours, theirs)]
    assert shapes[0] == shapes[1]
    assert sum(p.numel() for p in ours.parameters()) == pytest.approx(rounded, abs=5e4)


def test_correlates_in_32_bits_under_bf16() -> None:
    """Correlations that are apart by less than bf16 tells stay apart."""
    learner = RAFTLearner(SMOKE, Facts(), size="small")
    first, second = torch.ones(2, 1, 256, 8, 8)
    second[..., 0, 0] += 2**-7  # which bf16 can tell from 1; the correlation, 16 (1 + 2^-8), it cannot tell from 16
    second[:, 1::2, 0, 0] = 1
    with torch.autocast("cpu", torch.bfloat16):
        learner.network.corr_block.build_pyramid(first.bfloat16(), second.bfloat16())
    finest = learner.network.corr_block.corr_pyramid[0]
    assert finest.dtype == torch.float32
    assert finest[0, 0, :1, :2].tolist() == [[16 * (1 + 2**-8), 16.0]]


def test_a_step_under_bf16_looks_up_32_bits() -> None:
    learner = RAFTLearner(SMOKE, Facts(), size="small")
    block, seen = learner.network.corr_block, []
    build = block.build_pyramid
    block.build_pyramid = lambda *maps: (build(*maps), seen.extend(level.dtype for level in block.corr_pyramid))
    first, second = torch.randint(0, 256, (2, 1, 3, 64, 80), dtype=torch.uint8)
    truth = {"flow": torch.ones(1, 2, 64, 80), "valid": torch.ones(1, 64, 80, dtype=torch.bool)}
    with torch.autocast("cpu", torch.bfloat16):
        loss = learner.step({"first": first, "second": second, **truth})["loss"]
    assert seen == [torch.float32] * SMOKE.levels
    assert loss.isfinite()


@pytest.mark.parametrize(
    ("family", "paper"), [(RAFT, [1.43, 2.71, 5.04, 0.174]), (RAFT_SMALL, [2.21, 3.35, 7.51, 0.269])]
)
def test_targets_name_pass_and_data_set(family, paper: list[float]) -> None:
    """Table 1, C+T; under the names that `zoo data fetch` gives, clean and final apart."""
    targets = family.targets
    assert [target.value for target in targets[:4]] == paper
    assert [target.dataset for target in targets] == ["sintel-clean", "sintel-final", "kitti2015", "kitti2015"] * 2
    assert "kitti2015" in SOURCES


def test_sequence_loss_by_hand() -> None:
    truth = torch.zeros(1, 2, 1, 2)
    valid = torch.tensor([[[True, False]]])
    first, last = (torch.full((1, 2, 1, 2), value) for value in (3.0, -1.0))
    # |3| + |3| = 6 and |-1| + |-1| = 2 in the one known pixel
    assert sequence_loss([first, last], truth, valid, gamma=0.8).item() == pytest.approx(0.8 * 6 + 2)
    assert sequence_loss([first], truth, torch.zeros_like(valid), gamma=0.8).item() == 0


def test_the_rate_rises_and_falls() -> None:
    factor = partial(one_cycle, warm_up=0.25)
    assert [factor(done) for done in (0, 0.125, 0.25, 0.625, 1)] == pytest.approx([0, 0.5, 1, 0.5, 0])


@pytest.mark.parametrize("size", [(80, 96), (77, 99), (20, 50)])
def test_any_size_comes_back_and_padding_changes_nothing_it_need_not(size: tuple[int, int]) -> None:
    estimator = RAFTLearner(SMOKE, Facts(), size="small").predictor().eval()
    first, second = torch.randint(0, 256, (2, 1, 3, *size), dtype=torch.uint8)
    flow = estimator.flow(first, second)
    assert flow.shape == (1, 2, *size)
    assert flow.isfinite().all()
    if size == (80, 96):
        plain = estimator.network(first / 127.5 - 1, second / 127.5 - 1, num_flow_updates=SMOKE.scored_updates)[-1]
        assert torch.equal(flow, plain)


def test_pads_on_both_sides_with_the_rim() -> None:
    """A network that answers the red and green of what it was given."""

    class Echo(torch.nn.Linear):
        def forward(self, first, _second, num_flow_updates):
            self.seen = first
            return [first[:, :2]] * num_flow_updates

    estimator = RAFTLearner(SMOKE, Facts(), size="small").predictor()
    estimator.network = Echo(1, 1)
    picture = torch.randint(0, 256, (1, 3, 35, 45), dtype=torch.uint8)
    flow = estimator.flow(picture, picture)
    assert torch.equal(flow, picture[:, :2] / 127.5 - 1)
    assert estimator.network.seen.shape[-2:] == (40, 48)
    assert torch.equal(estimator.network.seen[0, :2, 0, 0], flow[0, :, 0, 0])


def test_mirroring_turns_the_flow() -> None:
    pair = ramp()
    across, down = mirrored(pair, axis=1), mirrored(pair, axis=0)
    assert across.flow[3, 0].tolist() == [-31, 3]
    assert across.first[3, 0].tolist() == pair.first[3, 31].tolist()
    assert down.flow[0, 5].tolist() == [5, -23]
    assert mirrored(across, axis=1).flow.tolist() == pair.flow.tolist()


def test_scaling_scales_the_flow_and_spreads_what_is_unknown() -> None:
    pair = ramp()
    pair.valid[10, 10] = False
    twice = scaled(pair, 2)
    assert twice.first.shape == (48, 64, 3)
    # Pixel 41 of 64 lies at (41 + 0.5) / 2 - 0.5 = 20.25 of 32
    np.testing.assert_allclose(twice.flow[20, 41], (2 * 20.25, 2 * 9.75), rtol=1e-5)
    assert not twice.valid[19:23, 19:23].any()
    assert twice.valid.sum() == twice.valid.size - 16


def test_a_varied_crop_stays_a_pair() -> None:
    """Of the photograph without objects, what moves as the flow says looks the same in both pictures."""
    recipe = SMOKE.but(crop=(16, 24), zoom=(0.9, 1.5), light=0.0)
    still = ramp()._replace(second=ramp().first, flow=np.zeros((24, 32, 2), np.float32))
    for seed in range(20):
        first, second, flow, valid = varied(still, recipe, rng=np.random.default_rng(seed))
        assert first.shape == (16, 24, 3)
        assert flow.shape == (16, 24, 2)
        assert valid.all()
        assert (first == second).all()


def test_centred_features_share_nothing() -> None:
    """What is equal in all channels is gone, and so fresh features of unlike places correlate around zero."""
    last = torch.nn.Conv2d(6, 4, 1)
    bias = last.bias[None, :, None, None].expand(1, 4, 2, 3)
    centre(last, gain=2.0)
    torch.testing.assert_close(last(torch.full((1, 6, 2, 3), 7.0)), bias)

    def shared(recipe: RAFTRecipe) -> float:
        torch.manual_seed(0)
        encoder = RAFTLearner(recipe, Facts(), size="small").network.feature_encoder
        features = encoder(torch.randint(0, 256, (1, 3, 80, 96), dtype=torch.uint8) / 127.5 - 1)
        return (features.mean((2, 3)).norm() / features.square().mean((2, 3)).sqrt().norm()).item()

    assert shared(SMOKE) < 0.2 < 0.6 < shared(SMOKE.but(centred=None))


def test_learns_one_pair_by_heart(datasets) -> None:
    """Ten steps on one batch take the error well down: gradients reach the network, in the right direction."""
    recipe = SMOKE.but(steps=30, learning_rate=5e-4, warm_up=0.1)
    batch = FlowBatches(recipe, Inputs(datasets=datasets))(0)
    torch.manual_seed(0)
    learner = RAFTLearner(recipe, Facts(), size="small")
    errors = [learner.step(batch)["epe"].item() for _ in range(recipe.steps)]
    assert np.mean(errors[-3:]) < 0.6 * batch["flow"].norm(dim=1).mean()
