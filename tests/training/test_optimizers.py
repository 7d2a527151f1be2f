"""Seven rules against their formulas over three steps, on a kernel that decays and a bias that does not."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from zoo.training.optimizers import RULES, Optimized, Rule
from zoo.training.updater import cosine_decay, linear_decay, warmed

RATE, DECAY, EPS = 0.1, 0.2, 1e-8
Values = np.ndarray


class Bowl(nn.Module):
    """A loss whose gradient is known: sum of a quarter of the fourth powers."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = nn.Parameter(torch.tensor([[0.5, -1.0], [1.5, 2.0]], dtype=torch.float64))
        self.bias = nn.Parameter(torch.tensor([0.7, -0.3], dtype=torch.float64))

    def forward(self) -> Tensor:
        return (self.kernel**4).sum() / 4 + (self.bias**4).sum() / 4


def by_hand(rule: Rule, p: Values, decay: float) -> Values:
    """Three steps, written as the papers and CS231n's notes write them; momentum as torch keeps it."""
    m, v, mu = np.zeros_like(p), np.zeros_like(p), 0.9
    for t in (1, 2, 3):
        g = p**3
        if rule == "adamw":
            p = p - RATE * decay * p
        else:
            g = g + decay * p
        match rule:
            case "sgd":
                p = p - RATE * g
            case "momentum":
                m = mu * m + g
                p = p - RATE * m
            case "nesterov":
                m = mu * m + g
                p = p - RATE * (g + mu * m)
            case "rmsprop":
                v = 0.99 * v + 0.01 * g**2
                p = p - RATE * g / (np.sqrt(v) + EPS)
            case "adagrad":
                v = v + g**2
                p = p - RATE * g / (np.sqrt(v) + 1e-10)
            case "adam" | "adamw":
                m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
                p = p - RATE * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + EPS)
    return p


def recipe(rule: Rule, **numbers: object) -> Optimized:
    given = {"optimizer": rule, "learning_rate": RATE, "weight_decay": DECAY, "dataset": "", "steps": 3}
    return Optimized.model_validate(given | {"batch_size": 1} | numbers)


@pytest.mark.parametrize("rule", RULES)
def test_three_steps_are_the_formulas(rule: Rule) -> None:
    bowl = Bowl()
    kernel, bias = (parameter.detach().numpy().copy() for parameter in bowl.parameters())
    update = recipe(rule).updater(bowl)
    for _ in range(3):
        update(bowl())
    assert np.allclose(bowl.kernel.detach(), by_hand(rule, kernel, DECAY), rtol=1e-9)
    assert np.allclose(bowl.bias.detach(), by_hand(rule, bias, 0.0), rtol=1e-9)


@pytest.mark.parametrize("rule", RULES)
def test_what_was_saved_goes_on_as_if_nothing_had_been(rule: Rule) -> None:
    whole, first, second = Bowl(), Bowl(), Bowl()
    steady = recipe(rule, schedule="cosine", steps=4).updater(whole)
    early, late = (recipe(rule, schedule="cosine", steps=4).updater(bowl) for bowl in (first, second))
    for _ in range(4):
        steady(whole())
    for _ in range(2):
        early(first())
    second.load_state_dict(first.state_dict())
    late.load_state_dict(early.state_dict())
    for _ in range(2):
        late(second())
    assert torch.equal(whole.kernel, second.kernel)
    assert torch.equal(whole.bias, second.bias)


def test_state_that_is_there_from_the_start_moves_with_the_weights() -> None:
    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bowl = Bowl()
            self.update = recipe("adagrad").updater(self.bowl)

    both = Both().float()
    sums = [state["sum"] for state in both.update.optimizer.state.values()]
    assert {value.dtype for value in sums} == {torch.float32}
    both.update(both.bowl())
    moved = Both().to("meta")
    assert {state["sum"].device.type for state in moved.update.optimizer.state.values()} == {"meta"}


def test_the_rate_rises_and_then_falls_as_asked() -> None:
    rates = [warmed(cosine_decay(4), 2)(done) for done in range(7)]
    assert rates == pytest.approx([0, 0.5, 1, (1 + math.sqrt(0.5)) / 2, 0.5, (1 - math.sqrt(0.5)) / 2, 0])
    assert [warmed(linear_decay(2), 0)(done) for done in range(3)] == [1, 0.5, 0]
    assert recipe("sgd", schedule="constant").updater(Bowl()).schedule is None
    bowl = Bowl()
    update = recipe("sgd", schedule="linear", steps=4, warmup=2).updater(bowl)
    seen = []
    for _ in range(4):
        update(bowl())
        seen.append(update.optimizer.param_groups[0]["lr"])
    assert seen == pytest.approx([0, RATE / 2, RATE, RATE / 2])


def test_a_sum_moves_as_its_terms_do_one_by_one() -> None:
    at_once, one_by_one = Bowl(), Bowl()
    recipe("momentum", clip=0.5).updater(at_once)(at_once() + 2 * at_once())
    recipe("momentum", clip=0.5).updater(one_by_one)(times * one_by_one() for times in (1, 2))
    assert torch.allclose(at_once.kernel, one_by_one.kernel)


def test_gains_and_tokens_do_not_decay_in_whichever_shape() -> None:
    network = nn.ParameterDict(
        {
            "gain": nn.Parameter(torch.ones(4, 1, 1)),
            "token": nn.Parameter(torch.ones(1, 1, 4)),
            "bias": nn.Parameter(torch.ones(4)),
            "kernel": nn.Parameter(torch.ones(4, 1, 3, 3)),
            "frozen": nn.Parameter(torch.ones(4, 4), requires_grad=False),
        }
    )
    decayed, spared = recipe("adamw").updater(network).optimizer.param_groups
    assert [p.shape for p in decayed["params"]] == [(4, 1, 3, 3)]
    assert (decayed["weight_decay"], spared["weight_decay"]) == (DECAY, 0)
    assert len(spared["params"]) == 3
