"""RAFT against the paper's parameter counts, hand-worked losses and pairs whose flow is known."""

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torchvision.models.optical_flow import raft_large, raft_small

import zoo
from zoo.artifact import Identity, seal
from zoo.contracts import Facts, Inputs, Upstream
from zoo.data.flow import FlowPair
from zoo.data.sources import SOURCES
from zoo.optical_flow.augmentation import mirrored, scaled
from zoo.optical_flow.raft import (
    RAFT,
    RAFT_SMALL,
    FlowBatches,
    RAFTLearner,
    RAFTRecipe,
    centre,
    one_cycle,
    sequence_loss,
    varied,
)
from zoo.training import train

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
    scored = {family.recipe(name).scored for name in ("paper", "sintel-final", "kitti2015")}
    assert scored == {target.dataset for target in targets}
    assert scored < set(SOURCES)


@pytest.mark.parametrize("family", [RAFT, RAFT_SMALL], ids=lambda family: family.name)
def test_stages_have_the_numbers_of_the_code(family) -> None:
    """train_standard.sh; ranges of scale as powers of two: core/datasets.py, fetch_dataloader."""
    numbers = ("dataset", "steps", "batch_size", "learning_rate", "weight_decay", "gamma", "crop", "frozen_statistics")
    chairs, things = ({name: recipe[name] for name in numbers} for recipe in _stages(family))
    assert tuple(chairs.values()) == ("flyingchairs", 100_000, 10, 4e-4, 1e-4, 0.8, (368, 496), False)
    assert tuple(things.values()) == ("flyingthings3d", 100_000, 6, 1.25e-4, 1e-4, 0.8, (400, 720), True)
    assert [tuple(np.log2(recipe["zoom"])) for recipe in _stages(family)] == [(-0.1, 1.0), pytest.approx((-0.4, 0.8))]
    assert {recipe["augmentation"] for recipe in _stages(family)} == {"code"}
    second = family.recipe("paper")
    assert second.needs == (family.entry(family.recipe("chairs")),)
    others = [family.recipe(name).numbers(scoring=False) for name in ("sintel-final", "kitti2015")]
    assert others == [second.numbers(scoring=False)] * 2  # one training, scored on three sets
    assert family.recipe("kitti2015").scored_updates == 24


def _stages(family) -> list[dict[str, object]]:
    return [family.recipe(name).model_dump() for name in ("chairs", "paper")]


@pytest.fixture(scope="module")
def first_stage(datasets: Path, tmp_path_factory) -> Upstream:
    recipe = SMOKE.but(steps=2, batch_size=1)
    trained = train(RAFT_SMALL, recipe, Inputs(datasets=datasets), tmp_path_factory.mktemp("first"))
    return Upstream(entry="raft-small.collage-flow", predictor=trained.learner.predictor(), digest="0" * 64)


def second_stage(first: Upstream, **changes: object) -> RAFTRecipe:
    return SMOKE.but(start=first.entry, steps=2, batch_size=1, **changes)


def test_a_second_stage_starts_from_the_first_ones_weights_with_a_fresh_optimizer(
    datasets: Path, first_stage: Upstream, tmp_path: Path
) -> None:
    recipe = second_stage(first_stage)
    inputs = Inputs(datasets=datasets, upstream={first_stage.entry: first_stage})
    learner = RAFT_SMALL.build(recipe, Facts(), {})
    before = {name: value.clone() for name, value in first_stage.predictor.state_dict().items()}
    learner.begin(inputs)
    assert all(torch.equal(value, before[name]) for name, value in learner.predictor().state_dict().items())
    assert learner.update.updates == 0
    assert learner.update.optimizer.state_dict()["state"] == {}

    trained = train(RAFT_SMALL, recipe, inputs, tmp_path / "run").learner.predictor()
    untouched = first_stage.predictor.state_dict()
    assert all(torch.equal(value, before[name]) for name, value in untouched.items())
    assert any(not torch.equal(value, before[name]) for name, value in trained.state_dict().items())


def test_a_sealed_second_stage_loads_without_the_first(datasets: Path, first_stage: Upstream, tmp_path: Path) -> None:
    """Its network holds nothing of the first stage, and its identity names no part."""
    recipe = second_stage(first_stage)
    learner = RAFT_SMALL.build(recipe, Facts(), {})
    learner.begin(Inputs(datasets=datasets, upstream={first_stage.entry: first_stage}))
    weights = learner.predictor().state_dict()
    assert weights.keys() == first_stage.predictor.state_dict().keys()
    assert recipe.parts == ()
    identity = Identity(
        family="raft-small", recipe_name="smoke", recipe=recipe.model_dump(mode="json"), facts=Facts().model_dump()
    )
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "recipe.json").write_text(json.dumps(identity.model_dump(mode="json")))
    save_file({name: value.contiguous().clone() for name, value in weights.items()}, folder / "weights.safetensors")
    seal(folder)
    loaded = zoo.load(folder).state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in weights.items())


def test_a_stage_of_another_size_is_refused(datasets: Path, first_stage: Upstream) -> None:
    learner = RAFT.build(RAFT.recipe("smoke", start=first_stage.entry), Facts(), {})
    with pytest.raises(ValueError, match=r"raft-small\.collage-flow: expected the network .* got another one"):
        learner.begin(Inputs(datasets=datasets, upstream={first_stage.entry: first_stage}))


def test_the_second_stage_keeps_the_averages_of_batch_normalisation() -> None:
    """Gains and shifts learn on; the large network alone has batch normalisation (code, raft.py)."""
    first, second = torch.randint(0, 256, (2, 1, 3, 64, 80), dtype=torch.uint8)
    batch = {"first": first, "second": second, "flow": torch.ones(1, 2, 64, 80), "valid": torch.ones(1, 64, 80) > 0}
    for frozen in (True, False):
        learner = RAFT.build(RAFT.recipe("smoke", frozen_statistics=frozen), Facts(), {}).train()
        norm = next(layer for layer in learner.modules() if isinstance(layer, torch.nn.BatchNorm2d))
        mean, gain = norm.running_mean.clone(), norm.weight.detach().clone()
        learner.step(batch)
        assert torch.equal(norm.running_mean, mean) == frozen
        assert not torch.equal(norm.weight, gain)


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
    twice = scaled(pair, (2, 2))
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
