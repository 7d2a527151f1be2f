"""Normalisation and dropout as their papers have them, and the assignment's parameter counts."""

import pytest
import torch
from torch import nn

from tests.recognition.facts import facts
from zoo.recognition.fully_connected import FullyConnected, Norm

IMAGES = torch.randint(256, (32, 1, 8, 8), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


def network(norm: Norm = "none", *, hidden: tuple[int, ...] = (20,), dropout: float = 0.0) -> FullyConnected:
    torch.manual_seed(0)
    return FullyConnected(facts(), hidden=hidden, norm=norm, dropout=dropout)


def test_has_the_assignments_parameters() -> None:
    def count(hidden: tuple[int, ...], norm: Norm) -> int:
        built = FullyConnected(facts(32, channels=3), hidden=hidden, norm=norm, dropout=0.0)
        return sum(parameter.numel() for parameter in built.parameters())

    assert count((50,), "none") == 154_160
    assert count((100,) * 5, "none") == 348_710
    assert count((100,) * 5, "batch") == count((100,) * 5, "layer") == 348_710 + 2 * 500


def test_the_norm_stands_before_the_relu_and_dropout_after_it_and_neither_at_the_end() -> None:
    kinds = [type(layer) for layer in network("batch", hidden=(5, 6), dropout=0.5).body]
    assert kinds == [nn.Flatten, *[nn.Linear, nn.BatchNorm1d, nn.ReLU, nn.Dropout] * 2]
    assert [type(layer) for layer in network("layer").body] == [nn.Flatten, nn.Linear, nn.LayerNorm, nn.ReLU]


def test_batch_norm_divides_by_the_biased_variance_and_keeps_the_unbiased_one() -> None:
    built = network("batch").train()
    affine, norm = built.body[1], built.body[2]
    before = affine(built.body[0](IMAGES.float() / 127.5 - 1))
    built(IMAGES)
    assert torch.allclose(norm.running_mean, 0.1 * before.mean(0), atol=1e-6)
    assert torch.allclose(norm.running_var, 0.9 + 0.1 * before.var(0, unbiased=True), atol=1e-5)
    assert not torch.allclose(norm.running_var, 0.9 + 0.1 * before.var(0, unbiased=False), atol=1e-5)
    biased = (before - before.mean(0)) / (before.var(0, unbiased=False) + norm.eps).sqrt()
    assert torch.allclose(built.features(IMAGES), biased.relu(), atol=1e-4)


@pytest.mark.parametrize("norm", ["none", "layer", "batch"])
def test_what_is_said_of_a_picture_depends_on_the_batch_under_batch_norm_in_training_alone(norm: Norm) -> None:
    for training in (True, False):
        built = network(norm).train(training)
        together, alone = built(IMAGES)[:2], built(IMAGES[:2])
        assert torch.allclose(together, alone, atol=1e-5) == (norm != "batch" or not training)


def test_layer_norm_is_over_the_features_of_each_picture() -> None:
    built = network("layer")
    before = built.body[1](built.body[0](IMAGES.float() / 127.5 - 1))
    mean, variance = before.mean(1, keepdim=True), before.var(1, unbiased=False, keepdim=True)
    assert torch.allclose(built.features(IMAGES), ((before - mean) / (variance + 1e-5).sqrt()).relu(), atol=1e-5)


def test_dropout_scales_what_it_leaves_and_is_gone_in_use() -> None:
    built, plain = network(hidden=(4000,), dropout=0.25).train(), network(hidden=(4000,))
    whole, kept = plain.features(IMAGES), built.features(IMAGES)
    alive = whole > 0
    left = kept[alive] > 0
    assert left.float().mean().item() == pytest.approx(0.75, abs=0.01)
    assert torch.allclose(kept[alive][left], whole[alive][left] / 0.75)
    assert torch.equal(built.eval().features(IMAGES), whole)
