"""DDPM and DDIM: the paper's network, the schedule in closed form, and what eta and the steps decide."""

import math
from copy import deepcopy
from functools import partial

import numpy as np
import pytest
import torch

from zoo.generative import ddpm
from zoo.generative.ddim import FAMILY as DDIM
from zoo.generative.ddim import DdimRecipe
from zoo.generative.ddpm import (
    DDPM,
    DdpmRecipe,
    Denoiser,
    UNet,
    ancestral_step,
    embedded,
    implicit_step,
    spread,
)
from zoo.tasks.sampling import PictureFacts

DIGITS = PictureFacts(channels=1, height=8, width=8)
COLOUR = PictureFacts(channels=3, height=32, width=32)
POSTERIOR, BETA = (partial(ancestral_step, variance=variance) for variance in ("posterior", "beta"))


def implicit(eta: float) -> partial:
    return partial(implicit_step, eta=eta)


def made(name: str, facts: PictureFacts, **changes: object) -> Denoiser:
    """A new one, by the recipe of this name with some numbers changed."""
    return ddpm.denoiser(DDPM.recipe(name, **changes), facts, reverse=POSTERIOR)


@pytest.fixture
def denoiser() -> Denoiser:
    """With weights that are not at rest."""
    torch.manual_seed(0)
    denoiser = made("smoke", DIGITS)
    for parameter in denoiser.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return denoiser.eval()


def test_the_papers_network_has_35_7_million_parameters_and_attends_at_16_and_in_the_middle_only() -> None:
    """Appendix B; the authors' TensorFlow network and its ports have 35,746,307."""
    network = made("paper", COLOUR).network.eval()
    assert sum(p.numel() for p in network.parameters()) == 35_746_307
    sides = []
    for module in network.modules():
        if hasattr(module, "query_key_value"):
            module.register_forward_pre_hook(lambda _, inputs: sides.append(inputs[0].shape[-1]))
    network(torch.zeros(1, 3, 32, 32), torch.zeros(1, dtype=torch.long))
    assert sides == [16, 16, 4, 16, 16, 16]


def test_a_side_that_cannot_be_halved_often_enough_is_refused() -> None:
    with pytest.raises(ValueError, match="halved 3 times, got 28"):
        UNet(channels=1, size=28, width=4, multipliers=(1, 1, 1, 1), blocks=1, attention=(), dropout=0.0)


def test_a_new_network_predicts_nothing() -> None:
    network = made("smoke", DIGITS).network
    assert not network(torch.randn(2, 1, 8, 8), torch.tensor([0, 5])).any()


def test_time_embedding_by_hand() -> None:
    first, last = 3.0, 3.0 / 10_000
    expected = [math.sin(first), math.sin(last), math.cos(first), math.cos(last)]
    assert embedded(torch.tensor([3]), 4)[0].tolist() == pytest.approx(expected)


def test_the_schedule_against_its_closed_form() -> None:
    """log alpha-bar is a sum of log(1 - beta); with the paper's numbers next to nothing of a picture is left."""
    kept = made("paper", COLOUR, width=4, blocks=1).kept
    by_hand = [math.fsum(math.log1p(-(1e-4 + (0.02 - 1e-4) * i / 999)) for i in range(t + 1)) for t in (0, 500, 999)]
    assert kept[[0, 500, 999]].tolist() == pytest.approx([math.exp(value) for value in by_hand], rel=1e-5)
    # Section 4: KL(q(x_T | x_0) | N(0, I)) is about 1e-5 bits a dimension; an upper bound for pixels at +-1.
    nats = 0.5 * (kept[-1] + (1 - kept[-1]) - 1 - torch.log1p(-kept[-1]))
    assert nats.item() / math.log(2) < 1e-4


@pytest.mark.parametrize("name", ["smoke", "mini"])
def test_shorter_schedules_leave_as_little_of_a_picture(name: str) -> None:
    assert made(name, DIGITS).kept[-1] < 1e-3


def test_noising_by_hand_agrees_with_one_step_at_a_time() -> None:
    """Equation 2 applied t + 1 times has the mean and the variance of equation 4."""
    recipe, denoiser = DDPM.recipe("smoke"), made("smoke", DIGITS)
    betas = np.linspace(recipe.first_beta, recipe.last_beta, recipe.timesteps)
    mean, variance = 1.0, 0.0
    for t, beta in enumerate(betas):
        mean, variance = math.sqrt(1 - beta) * mean, (1 - beta) * variance + beta
        one = torch.ones(1, 1, 8, 8)
        assert denoiser.noised(one, torch.tensor([t]), 0 * one).max().item() == pytest.approx(mean, rel=1e-4)
        assert denoiser.noised(0 * one, torch.tensor([t]), one).max().item() ** 2 == pytest.approx(variance, rel=1e-4)


@pytest.mark.parametrize("variance", ["posterior", "beta"])
def test_a_reverse_step_of_ddpm_by_its_formulas(variance: str) -> None:
    """Ho et al., equation 7 and section 3.2, from betas; the picture is inside -1 ... 1, so nothing is clipped."""
    betas = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)
    kept = (1 - betas).cumprod(0)
    picture, noise = torch.rand(5, dtype=torch.float64) * 2 - 1, torch.randn(5, dtype=torch.float64)
    for t in (1, 10, 500, 999):
        x = kept[t].sqrt() * picture + (1 - kept[t]).sqrt() * noise
        mean, deviation = ancestral_step(x, noise, kept=kept[t], before=kept[t - 1], variance=variance)
        of_picture = kept[t - 1].sqrt() * betas[t] / (1 - kept[t])
        of_x = (1 - betas[t]).sqrt() * (1 - kept[t - 1]) / (1 - kept[t])
        torch.testing.assert_close(mean, of_picture * picture + of_x * x)
        smaller = (1 - kept[t - 1]) / (1 - kept[t]) * betas[t]
        torch.testing.assert_close(deviation.square(), smaller if variance == "posterior" else betas[t])


@pytest.mark.parametrize("eta", [0.2, 1.0])
def test_the_deviation_of_an_implicit_step_by_equation_16(eta: float) -> None:
    """And equation 12: with the true noise, what it leaves of the noise and what it adds make up 1 - alpha-bar."""
    kept, before = torch.tensor([0.1, 0.6], dtype=torch.float64)
    picture, noise = torch.rand(7, dtype=torch.float64) * 2 - 1, torch.randn(7, dtype=torch.float64)
    x = kept.sqrt() * picture + (1 - kept).sqrt() * noise
    mean, deviation = implicit_step(x, noise, kept=kept, before=before, eta=eta)
    assert deviation.item() == pytest.approx(eta * math.sqrt(0.4 / 0.9) * math.sqrt(1 - 0.1 / 0.6))
    torch.testing.assert_close(mean, before.sqrt() * picture + (0.4 - deviation.square()).sqrt() * noise)


def test_paper_draws_with_the_variance_of_the_authors_cifar10_run_and_our_own_with_the_posteriors() -> None:
    assert DDPM.recipe("paper").variance == "beta"
    learner = DDPM.learner(DDPM.recipe("paper", width=4, blocks=1), COLOUR)
    assert learner.predictor().reverse.keywords == {"variance": "beta"}
    assert {DDPM.recipe(name).variance for name in ("smoke", "mini")} == {"posterior"}
    assert {DDIM.recipe(name).eta for name in DDIM.recipes} == {0.0}


def test_a_recipe_from_before_the_variance_could_be_chosen_draws_as_it_did() -> None:
    recipe = DDPM.recipe("smoke")
    before = recipe.model_dump(exclude={"variance"}) | {"eta": 1.0}
    assert DdpmRecipe.model_validate(DdpmRecipe.upgraded(before)) == recipe
    with pytest.raises(ValueError, match=r"eta 1, got 0\.5"):
        DdpmRecipe.upgraded(before | {"eta": 0.5})


def test_eta_0_with_the_true_noise_stays_on_the_line_to_the_picture() -> None:
    picture, noise = torch.rand(7, dtype=torch.float64) * 2 - 1, torch.randn(7, dtype=torch.float64)
    kept, before = torch.tensor([0.1, 0.6], dtype=torch.float64)
    x = kept.sqrt() * picture + (1 - kept).sqrt() * noise
    mean, deviation = implicit_step(x, noise, kept=kept, before=before, eta=0.0)
    torch.testing.assert_close(mean, before.sqrt() * picture + (1 - before).sqrt() * noise)
    assert deviation.item() == 0.0


def test_a_predicted_picture_is_clipped() -> None:
    one = torch.ones(())
    mean, _ = implicit_step(3 * one, 0 * one, kept=0.25 * one, before=one, eta=0.0)
    assert mean.item() == 1.0  # not 6


def test_the_last_step_gives_the_picture_itself() -> None:
    one = torch.ones((), dtype=torch.float64)
    mean, deviation = implicit_step(0.5 * one, 0.2 * one, kept=0.9 * one, before=one, eta=1.0)
    assert mean.item() == pytest.approx((0.5 - math.sqrt(0.1) * 0.2) / math.sqrt(0.9))
    assert deviation.item() == 0.0


def test_without_eta_only_the_start_is_random_and_the_last_step_never_is(
    denoiser: Denoiser, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = []
    randn = torch.randn
    monkeypatch.setattr(torch, "randn", lambda *shape, **options: drawn.append(shape) or randn(*shape, **options))
    for reverse, expected in ((implicit(0.0), 1), (implicit(1.0), 5), (POSTERIOR, 5), (BETA, 5)):
        denoiser.drawn(2, seed=0, steps=5, reverse=reverse)
        assert len(drawn) == expected
        drawn.clear()


def test_draws_scatter_around_the_mean_as_far_as_the_variance_says(denoiser: Denoiser) -> None:
    """The first of two steps: what the second is given lies around the mean of the first."""
    before, kept = denoiser.kept[0], denoiser.kept[-1]
    seen = {}

    def watched(x: torch.Tensor, noise: torch.Tensor, **at: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        mean, deviation = BETA(x, noise, **at)
        seen[at["before"].item()] = (x, mean)
        return mean, deviation

    denoiser.drawn(500, seed=0, steps=2, reverse=watched)
    _, mean = seen[before.item()]
    after, _ = seen[1.0]
    assert (after - mean).std().item() == pytest.approx(math.sqrt(1 - kept / before), rel=0.02)


def test_draws_depend_on_seed_steps_and_eta_and_nothing_else(denoiser: Denoiser) -> None:
    first = denoiser.drawn(4, seed=1, steps=5, reverse=implicit(0.5))
    torch.rand(7)
    assert torch.equal(first, denoiser.drawn(4, seed=1, steps=5, reverse=implicit(0.5)))
    assert not torch.equal(first, denoiser.drawn(4, seed=2, steps=5, reverse=implicit(0.5)))
    assert not torch.equal(first, denoiser.drawn(4, seed=1, steps=6, reverse=implicit(0.5)))
    assert not torch.equal(first, denoiser.drawn(4, seed=1, steps=5, reverse=implicit(0.0)))


def test_a_perfect_denoiser_draws_the_picture_it_knows(denoiser: Denoiser, monkeypatch: pytest.MonkeyPatch) -> None:
    """All the data are one picture: the noise in x is then known, whatever the path."""
    picture = torch.rand(1, 1, 8, 8) * 2 - 1

    def knowing(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        kept = denoiser.kept[t][:, None, None, None]
        return (x - kept.sqrt() * picture) / (1 - kept).sqrt()

    monkeypatch.setattr(denoiser, "forward", knowing)
    expected = ((picture + 1) * 127.5).round()
    for steps, reverse in ((1, implicit(0.0)), (7, implicit(0.0)), (7, implicit(1.0)), (40, POSTERIOR), (40, BETA)):
        assert (denoiser.drawn(3, seed=0, steps=steps, reverse=reverse) - expected).abs().max() <= 1


def test_steps_are_spread_evenly_or_as_squares() -> None:
    """By hand; a hundred squares of 1000 steps are 96 different ones."""
    assert spread(1000, 4, spacing="even") == [999, 666, 333, 0]
    assert spread(1000, 3, spacing="quadratic") == [800, 200, 0]
    assert spread(1000, 10, spacing="quadratic") == [800, 632, 483, 355, 246, 158, 88, 39, 9, 0]
    hundred = spread(1000, 100, spacing="quadratic")
    assert (len(hundred), hundred[:2], hundred[-4:]) == (96, [800, 783], [3, 2, 1, 0])
    assert DDIM.recipe("paper").spacing == "quadratic"
    assert {DDIM.recipe(name).spacing for name in ("smoke", "mini")} == {"even"}


def test_a_step_that_goes_nowhere_changes_nothing() -> None:
    """Why equal squares are taken once: the authors' code takes such steps, with eta 0."""
    x, noise, kept = torch.randn(9), torch.randn(9), torch.tensor(0.7)
    mean, deviation = implicit_step(x, noise, kept=kept, before=kept, eta=0.0)
    torch.testing.assert_close(mean, x)
    assert deviation == 0


def test_more_steps_than_were_trained_are_refused() -> None:
    with pytest.raises(ValueError, match="at most 40 draw_steps"):
        made("smoke", DIGITS, draw_steps=41)


def test_ddim_is_the_ddpm_drawn_from_otherwise(denoiser: Denoiser) -> None:
    recipe = DDIM.recipe("smoke")
    learner = DDIM.build(recipe, DIGITS, {"ddpm.digits": deepcopy(denoiser)})
    drawn = learner.eval().predictor().sample(3, seed=4)
    assert torch.equal(drawn, denoiser.drawn(3, seed=4, steps=recipe.draw_steps, reverse=implicit(recipe.eta)))
    assert not torch.equal(drawn, denoiser.sample(3, seed=4))
    with pytest.raises(ValueError, match="at most 40 draw_steps"):
        DDIM.build(DDIM.recipe("smoke", draw_steps=41), DIGITS, {"ddpm.digits": denoiser})


def test_a_ddim_from_before_it_recorded_its_ddpm_tells_which_that_was() -> None:
    """It repeated the DDPM's numbers, which drew with the posterior's variance then."""
    ddpm_then = DDPM.recipe("smoke", draw_steps=10).model_dump(mode="json", exclude={"variance"})
    told = DdimRecipe.older_upstream(ddpm_then | {"steps": 0, "eta": 0.0}, {"channels": 1})["ddpm.digits"]
    recipe = DdpmRecipe.model_validate(DdpmRecipe.upgraded(told["recipe"]))
    assert (recipe.width, recipe.timesteps, recipe.variance) == (8, 40, "posterior")
    assert (told["family"], told["facts"]) == ("ddpm", {"channels": 1})
