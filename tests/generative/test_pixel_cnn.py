"""PixelCNN: what a value may depend on, that its probabilities are some, and that drawing by parts is drawing."""

import math
from itertools import product

import pytest
import torch

from zoo.generative.pixel_cnn import FAMILY, PixelCnn
from zoo.layers.masked import MaskedConvolution, colours_of, drawn
from zoo.layers.pixels import signed
from zoo.tasks.sampling import PictureFacts


def made(colours: int, side: int, **changes: int) -> PixelCnn:
    """With weights that let everything through that may pass."""
    torch.manual_seed(0)
    numbers = {"layers": 3, "maps": 25, "hidden": 40, "first": 5, "kernel": 3, "dropout": 0.0} | changes
    return PixelCnn((colours, side, side), **numbers).double().eval()


@pytest.mark.parametrize("colours", [1, 3])
def test_a_value_depends_on_all_that_come_before_it_and_on_nothing_else(colours: int) -> None:
    """By gradients, value by value: no later one leaks in, and there is no blind spot. The maps of three
    colours are not equally many."""
    side = 6
    model = made(colours, side)
    pictures = torch.randn(1, colours, side, side, dtype=torch.float64, requires_grad=True)
    logits = model(pictures)
    order = torch.arange(side * side * colours).view(side, side, colours).permute(2, 0, 1)
    for colour, row, column in product(range(colours), range(side), range(side)):
        weights = torch.linspace(-1, 1, 256, dtype=torch.float64)
        (gradient,) = torch.autograd.grad(weights @ logits[0, :, colour, row, column], pictures, retain_graph=True)
        assert torch.equal(gradient[0] != 0, order < order[colour, row, column]), (colour, row, column)


def test_masks_by_hand() -> None:
    """Four maps of three colours: red, red, green, blue. The left place is seen by all."""
    four = colours_of(4, 3)
    assert four.tolist() == [0, 0, 1, 2]
    a, b = (MaskedConvolution(colours_of(3, 3), four, width=2, own=own).mask[:, :, 0] for own in (False, True))
    assert a[..., 0].all()
    assert a[..., 1].tolist() == [[0, 0, 0], [0, 0, 0], [1, 0, 0], [1, 1, 0]]
    assert b[..., 1].tolist() == [[1, 0, 0], [1, 0, 0], [1, 1, 0], [1, 1, 1]]


def test_probabilities_of_all_pictures_sum_to_one() -> None:
    """Of two places with all their values: 65,536 pictures."""
    torch.manual_seed(0)
    model = PixelCnn((1, 1, 2), layers=2, maps=4, hidden=4, first=3, kernel=3, dropout=0.0).eval()
    every = torch.cartesian_prod(torch.arange(256), torch.arange(256)).to(torch.uint8).view(-1, 1, 1, 2)
    total = torch.cat([model.log_likelihood(part, seed=0) for part in every.split(8192)]).logsumexp(0)
    assert total.item() == pytest.approx(0.0, abs=1e-5)


@pytest.mark.parametrize("colours", [1, 3])
def test_drawing_from_what_is_kept_is_drawing_from_whole_pictures(colours: int) -> None:
    """Every logit, to 1e-6; and so every value."""
    model = made(colours, 5)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    pictures, total = model.drawn(3, seed=1)
    whole = torch.zeros_like(pictures)

    def naive(images: torch.Tensor, *, row: int, column: int, colour: int) -> torch.Tensor:
        with torch.no_grad():
            return model(signed(images).double())[:, :, colour, row, column]

    again = drawn(whole, seed=1, logits=naive)
    assert torch.equal(pictures, whole)
    torch.testing.assert_close(total, again, rtol=0, atol=1e-6)
    assert len(pictures.unique()) > 10


def test_draws_have_the_likelihood_that_they_were_drawn_by() -> None:
    model = made(3, 4).float()
    pictures, total = model.drawn(5, seed=0)
    torch.testing.assert_close(model.log_likelihood(pictures, seed=0), total, rtol=1e-5, atol=1e-4)


def test_draws_have_the_frequencies_that_the_model_says() -> None:
    """The first value alone: 20,000 draws against its probabilities, by their counts' standard deviations."""
    model = PixelCnn((1, 1, 1), layers=1, maps=4, hidden=4, first=3, kernel=3, dropout=0.0).eval()
    torch.nn.init.normal_(model.readout.out.bias, std=2.0, generator=torch.Generator().manual_seed(0))
    pictures, _ = model.drawn(20_000, seed=0)
    counts = torch.bincount(pictures.flatten().long(), minlength=256)
    share = model.log_likelihood(torch.arange(256, dtype=torch.uint8).view(-1, 1, 1, 1), seed=0).exp()
    expected = 20_000 * share
    chi_squared = ((counts - expected).square() / expected).sum().item()
    assert abs(chi_squared - 255) < 5 * math.sqrt(2 * 255)


def test_draws_depend_on_the_seed_alone() -> None:
    model = made(1, 3)
    first = model.sample(4, seed=1)
    torch.rand(7)
    assert torch.equal(first, model.sample(4, seed=1))
    assert not torch.equal(first, model.sample(4, seed=2))


def test_the_papers_network_counted_layer_by_layer() -> None:
    """From the sizes: a first layer of 7 x 7, fifteen of 3 x 3, two of 1 x 1 between the stacks and the logits."""
    learner = FAMILY.learner(FAMILY.recipe("paper"), PictureFacts(channels=3, height=32, width=32))

    def layer(before: int, reach: int) -> int:
        above = before * 256 * (reach + 1) * (2 * reach + 1) + 256
        return above + (256 * 256 + 256) + (before * 256 * (reach + 1) + 256) + (128 * 128 + 128)

    readout = (128 * 1024 + 1024) + (1024 * 768 + 768)
    expected = layer(3, 3) + 15 * layer(128, 1) + readout
    assert sum(p.numel() for p in learner.predictor().parameters()) == expected
