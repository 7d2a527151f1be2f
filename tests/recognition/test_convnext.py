"""torchvision's ConvNeXt-T behind our interface, and the parts that usually go wrong."""

import pytest
import torch
from torch import nn
from torchvision.models import ConvNeXt_Tiny_Weights, convnext_tiny
from torchvision.ops import StochasticDepth
from torchvision.transforms.v2.functional import normalize

from tests.recognition.facts import facts
from zoo.recognition.convnext import FAMILY, ConvNeXt

WEIGHTS = ConvNeXt_Tiny_Weights.IMAGENET1K_V1


def pictures(*shape: int) -> torch.Tensor:
    return torch.randint(256, shape, generator=torch.Generator().manual_seed(1), dtype=torch.uint8)


def small(**numbers: float) -> ConvNeXt:
    torch.manual_seed(0)
    return ConvNeXt(10, depths=(2, 2), widths=(8, 16), side=32, layer_scale=1.0, **numbers)


def test_takes_torchvisions_weights_and_answers_what_it_answers() -> None:
    torch.manual_seed(0)
    theirs = convnext_tiny().eval()
    ours = ConvNeXt(1000).eval()
    ours.network.load_state_dict(theirs.state_dict())
    assert sum(parameter.numel() for parameter in ours.parameters()) == WEIGHTS.meta["num_params"] == 28_589_128
    images = pictures(1, 3, 224, 224)
    pixels = normalize(images / 255, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    with torch.inference_mode():
        assert torch.allclose(ours(images), theirs(pixels), atol=1e-4)


def test_paper_describes_that_network() -> None:
    recipe = FAMILY.recipe("paper")
    with torch.device("meta"):
        learner = FAMILY.learner(recipe, facts(224, channels=3, classes=1000))
    assert sum(p.numel() for p in learner.predictor().parameters()) == 28_589_128
    chances = [layer.p for layer in learner.network.modules() if isinstance(layer, StochasticDepth)]
    assert chances == pytest.approx([0.1 * block / 17 for block in range(18)])  # over all blocks, not within a stage
    assert (recipe.steps, recipe.warmup) == (93_835, 6_255)
    scales = [p for name, p in learner.network.named_parameters() if name.endswith("layer_scale")]
    decayed, spared = (group["params"] for group in learner.update.optimizer.param_groups)
    assert len(scales) == 18
    assert all(any(p is other for other in spared) for p in scales)
    assert all(p.ndim > 1 for p in decayed)


def test_depthwise_kernels_see_their_own_channel_and_norms_are_over_channels() -> None:
    block = small().network.features[1][0]
    depthwise = block.block[0]
    assert (depthwise.groups, depthwise.kernel_size) == (8, (7, 7))
    x = torch.randn(1, 8, 8, 8, generator=torch.Generator().manual_seed(0))
    changed = x.clone()
    changed[:, 3] += 1
    assert ((depthwise(x) != depthwise(changed)).flatten(2).any(2)[0].nonzero().flatten()).tolist() == [3]
    norm = block.block[2]
    assert isinstance(norm, nn.LayerNorm)
    assert norm.eps == 1e-6
    last = x.permute(0, 2, 3, 1)
    mean, variance = last.mean(3, keepdim=True), last.var(3, unbiased=False, keepdim=True)
    assert torch.allclose(norm(last), (last - mean) / (variance + 1e-6).sqrt(), atol=1e-5)


def test_blocks_are_left_out_in_training_alone() -> None:
    images = pictures(16, 1, 8, 8)
    network = small(stochastic_depth=0.5)
    torch.manual_seed(0)
    assert not torch.equal(network.train()(images), network(images))
    assert torch.equal(network.eval()(images), network(images))


def test_publishes_the_average_where_it_keeps_one() -> None:
    recipe = FAMILY.recipe("smoke", average=0.5, stochastic_depth=0.0)
    learner = FAMILY.learner(recipe, facts())
    before = {name: value.clone() for name, value in learner.predictor().state_dict().items()}
    learner.step({"image": pictures(4, 1, 8, 8), "label": torch.arange(4)})
    learner.step({"image": pictures(4, 1, 8, 8), "label": torch.arange(4)})
    after, weights = learner.predictor().state_dict(), learner.network.state_dict()
    name = "network.classifier.2.weight"
    assert not torch.equal(after[name], before[name])
    assert not torch.equal(after[name], weights[name])
