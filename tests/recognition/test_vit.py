"""torchvision's ViT-B/16 behind our interface, its tokens in their order, and attention by hand."""

import numpy as np
import pytest
import torch
from torchvision.models import ViT_B_16_Weights, vit_b_16

from tests.recognition.facts import facts
from zoo.recognition.vit import FAMILY, ViT

WEIGHTS = ViT_B_16_Weights.IMAGENET1K_V1


def small(size: int = 8, patch: int = 2, channels: int = 1) -> ViT:
    torch.manual_seed(0)
    built = ViT(facts(size, channels=channels), patch=patch, layers=2, heads=4, width=32, hidden=48)
    torch.nn.init.normal_(built.network.heads.head.weight)  # they start from 0
    return built.eval()


def pictures(*shape: int) -> torch.Tensor:
    return torch.randint(256, shape, generator=torch.Generator().manual_seed(1), dtype=torch.uint8)


def test_takes_torchvisions_weights_and_answers_what_it_answers() -> None:
    torch.manual_seed(0)
    theirs = vit_b_16().eval()
    torch.nn.init.normal_(theirs.heads.head.weight)
    with torch.device("meta"):
        ours = ViT(facts(224, channels=3, classes=1000)).eval()
    ours.network.load_state_dict(theirs.state_dict(), assign=True)
    assert sum(parameter.numel() for parameter in ours.parameters()) == WEIGHTS.meta["num_params"] == 86_567_656
    images = pictures(1, 3, 224, 224)
    with torch.inference_mode():
        assert torch.allclose(ours(images), theirs(images.float() / 127.5 - 1), atol=1e-4)


def test_paper_describes_that_network() -> None:
    recipe = FAMILY.recipe("paper")
    with torch.device("meta"):
        learner = FAMILY.learner(recipe, facts(224, channels=3, classes=1000))
    assert sum(p.numel() for p in learner.predictor().parameters()) == 86_567_656
    assert recipe.steps == 93_835


def test_patches_come_in_reading_order_and_the_class_token_first() -> None:
    network = small()
    image = torch.zeros(1, 1, 8, 8, dtype=torch.uint8)
    blank = network._tokens(image)
    image[0, 0, 2, 5] = 255  # second row of patches, third column
    changed = (network._tokens(image) != blank).any(dim=2)[0]
    assert changed.nonzero().flatten().tolist() == [1 + 1 * 4 + 2]
    assert torch.equal(blank[0, 0], network.network.class_token[0, 0])


def test_positions_matter() -> None:
    network = small()
    image = pictures(1, 1, 8, 8)
    turned = image.roll(2, dims=3)  # the same patches, elsewhere
    assert not torch.allclose(network(image), network(turned), atol=1e-3)
    torch.nn.init.zeros_(network.network.encoder.pos_embedding)
    assert torch.allclose(network(image), network(turned), atol=1e-4)


def test_grey_pictures_are_three_equal_colours() -> None:
    grey = pictures(2, 1, 8, 8)
    assert torch.allclose(small()(grey), small(channels=3)(grey.expand(-1, 3, -1, -1)))


def test_attention_is_rolled_out_over_the_layers() -> None:
    network, images = small(), pictures(2, 1, 8, 8)
    encoder = network.network.encoder
    expected, x = torch.eye(17), network._tokens(images)[:1] + encoder.pos_embedding
    for layer in encoder.layers:
        y = layer.ln_1(x)
        q, k, _ = torch.nn.functional.linear(
            y, layer.self_attention.in_proj_weight, layer.self_attention.in_proj_bias
        ).chunk(3, dim=2)
        heads = [(a @ b.T / 8**0.5).softmax(1) for a, b in zip(q[0].split(8, 1), k[0].split(8, 1), strict=True)]
        expected = (torch.stack(heads).mean(0) + torch.eye(17)) / 2 @ expected
        x = layer(x)
    found = network.attended(images)
    assert found.shape == (2, 4, 4)
    assert torch.allclose(found[0].flatten(), expected[0, 1:], atol=1e-5)


def test_what_does_not_fit_is_named() -> None:
    with pytest.raises(ValueError, match=r"whose side is a multiple of the patch's 3, got 8 x 8"):
        small(patch=3)
    with pytest.raises(ValueError, match="expected a width that 5 heads share, got 32"):
        ViT(facts(), patch=2, layers=1, heads=5, width=32, hidden=8)


def test_draws_what_is_attended_to_and_its_first_filters() -> None:
    learner = FAMILY.learner(FAMILY.recipe("smoke"), facts()).eval()
    learner.shown.copy_(pictures(8, 1, 8, 8))
    drawn = learner.pictures()
    assert set(drawn) == {"attention", "first_filters"}
    assert all(picture.dtype == np.uint8 and picture.ndim == 3 for picture in drawn.values())
