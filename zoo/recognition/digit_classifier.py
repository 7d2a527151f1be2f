"""A small convolutional classifier of digits, whose last hidden layer is the space that digits' FID is measured in.

    zoo train digit-classifier --recipe mini

Differs from the paper: LeNet-5's plan (two convolutions, two poolings, fully connected layers) with ReLU, batch
normalisation and Adam; the layer before the class scores is linear, so that no feature is dead and its
covariance has full rank.
"""

import numpy as np
import torch
from jaxtyping import Float, UInt8
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from zoo.contracts import Ask, Batch, Family, Inputs, Learner, Recipe, Scalars
from zoo.data.labelled import open_labelled
from zoo.evaluation.classification import ClassificationBenchmark
from zoo.tasks.classification import ClassificationFacts
from zoo.training import Updater, shuffled
from zoo.training.updater import linear_decay


class ClassifierRecipe(Recipe):
    """Ours throughout: any classifier that is nearly right serves as a feature space."""

    width: int = Field(32, ge=1, description="channels of the first convolution")
    features: int = Field(32, ge=1, description="dimensions of the feature space")
    learning_rate: float = Field(2e-3, gt=0)
    shift: int = Field(1, ge=0, description="pixels that a training picture is moved at most, each way")


class DigitNetwork(nn.Module):
    """Two 3x3 convolutions with pooling, then features, then class scores: a `zoo.tasks.classification.Classifier`."""

    def __init__(self, recipe: ClassifierRecipe, facts: ClassificationFacts) -> None:
        super().__init__()
        width = recipe.width
        self.body = nn.Sequential(
            *_block(facts.channels, width),
            *_block(width, 2 * width),
            nn.Flatten(),
            nn.Linear(2 * width * (facts.height // 4) * (facts.width // 4), recipe.features),
        )
        self.scores = nn.Linear(recipe.features, len(facts.classes))

    def features(self, images: UInt8[Tensor, "n c h w"]) -> Float[Tensor, "n d"]:
        return self.body(images.float() / 127.5 - 1.0)

    def forward(self, images: UInt8[Tensor, "n c h w"]) -> Float[Tensor, "n classes"]:
        """Class scores before the softmax."""
        return self.scores(self.features(images))

    def probabilities(self, images: UInt8[Tensor, "n c h w"]) -> Float[Tensor, "n classes"]:
        return self(images).softmax(dim=1)


def _block(channels: int, width: int) -> list[nn.Module]:
    convolution = nn.Conv2d(channels, width, 3, padding=1, bias=False)
    return [convolution, nn.BatchNorm2d(width), nn.ReLU(inplace=True), nn.MaxPool2d(2)]


class ClassifierLearner(Learner):
    """Cross entropy under Adam."""

    def __init__(self, recipe: ClassifierRecipe, facts: ClassificationFacts) -> None:
        super().__init__()
        self.network = DigitNetwork(recipe, facts)
        self.update = Updater(
            self.network.parameters(),
            torch.optim.Adam,
            lr=recipe.learning_rate,
            schedule=linear_decay(recipe.steps),
        )

    def step(self, batch: Batch) -> Scalars:
        scores = self.network(batch["image"])
        loss = functional.cross_entropy(scores, batch["label"])
        self.update(loss)
        return {"loss": loss.detach(), "accuracy": (scores.argmax(1) == batch["label"]).float().mean()}

    def predictor(self) -> nn.Module:
        return self.network


class DigitBatches:
    """Training digits, each moved by a few pixels."""

    def __init__(self, recipe: ClassifierRecipe, inputs: Inputs) -> None:
        self.recipe = recipe
        self.images, self.labels, classes = open_labelled(inputs.dataset(recipe.dataset), "train")
        _, channels, height, width = self.images.shape
        self.facts = ClassificationFacts(channels=channels, height=height, width=width, classes=classes)

    def __call__(self, step: int) -> Batch:
        recipe = self.recipe
        chosen = shuffled(len(self.images), recipe.batch_size, seed=recipe.seed, step=step)
        down, right = np.random.default_rng([recipe.seed, step]).integers(-recipe.shift, recipe.shift + 1, size=2)
        moved = torch.from_numpy(self.images[chosen]).roll((int(down), int(right)), dims=(2, 3))
        return {"image": moved, "label": torch.from_numpy(self.labels[chosen].astype(np.int64))}


def _benchmark(recipe: ClassifierRecipe, inputs: Inputs) -> ClassificationBenchmark:
    return ClassificationBenchmark(recipe.scored, inputs)


FAMILY = Family(
    name="digit-classifier",
    paper="LeCun et al., Gradient-based learning applied to document recognition, Proc. IEEE 1998",
    recipes={
        "smoke": ClassifierRecipe(dataset="digits", steps=300, batch_size=64),
        "mini": ClassifierRecipe(dataset="digits", steps=1500, batch_size=64),
        "mnist": ClassifierRecipe(dataset="mnist", steps=1500, batch_size=64),
        # Section III: MNIST, 20 passes over 60,000 digits.
        "paper": ClassifierRecipe(dataset="mnist", steps=20 * 60_000 // 64, batch_size=64),
    },
    learner=ClassifierLearner,
    facts=ClassificationFacts,
    training_set=DigitBatches,
    benchmark=_benchmark,
    asks=(Ask(metric="accuracy", value=0.5),),
)
