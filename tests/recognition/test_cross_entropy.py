"""One update from a batch, or from its parts one by one; shares of classes; and what is kept to be drawn."""

import pytest
import torch

from tests.recognition.facts import facts
from zoo.contracts import Batch
from zoo.recognition.cnn import CNN, FAMILY
from zoo.recognition.cross_entropy import CrossEntropy

BATCH: Batch = {
    "image": torch.randint(256, (10, 1, 8, 8), generator=torch.Generator().manual_seed(0), dtype=torch.uint8),
    "label": torch.arange(10),
}


def learner(**numbers: float) -> CrossEntropy:
    torch.manual_seed(0)
    recipe = FAMILY.recipe("smoke", optimizer="momentum", schedule="constant", learning_rate=0.1)
    return CrossEntropy(CNN(facts(), widths=(8, 8), groups=4), recipe, facts(), **numbers)


@pytest.mark.parametrize("at_once", [1, 3, 10, 20])
def test_parts_give_the_update_of_the_whole(at_once: int) -> None:
    whole, parted = learner(smoothing=0.1), learner(smoothing=0.1, at_once=at_once)
    told = [each.step(BATCH) for each in (whole, parted)]
    assert torch.allclose(told[0]["loss"], told[1]["loss"], atol=1e-6)
    assert torch.equal(told[0]["accuracy"], told[1]["accuracy"])
    for a, b in zip(whole.network.parameters(), parted.network.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-6)


def test_shares_of_classes_are_learned_from_where_there_are_some() -> None:
    target = torch.nn.functional.one_hot(BATCH["label"], 10).float()
    assert torch.allclose(learner().step(BATCH)["loss"], learner().step({**BATCH, "target": target})["loss"])
    half = 0.5 * target + 0.5 * target.flip(0)
    scores = learner().network(BATCH["image"])
    expected = -(half * scores.log_softmax(1)).sum(1).mean()
    assert torch.allclose(learner().step({**BATCH, "target": half})["loss"], expected)


def test_keeps_a_few_training_pictures_with_its_state() -> None:
    made, again = learner(), learner()
    made.fit(lambda _step: BATCH)
    again.load_state_dict(made.state_dict())
    assert torch.equal(again.shown, BATCH["image"][:8])
    assert "shown" not in made.predictor().state_dict()
