"""k nearest neighbours: a picture is what most of the training pictures next to it are.

    zoo train k-nn --recipe mini    # k = 1, accuracy 0.946 on digits, whatever the seed; nearest class mean 0.852

Fix and Hodges, 1951; Cover and Hart, "Nearest neighbor pattern classification", IEEE Trans. Inform. Theory 1967.
"Notes" and "assignment" are those of CS231n (github.com/cs231n/cs231n.github.io: classification.md; assignment 1,
knn.ipynb).

Nothing is learned but k, by cross-validation on the training set, whose folds are cut in its order. Pixels
are whole numbers, and so are sums of their differences: distances are exact, equal ones are equal, and the training
picture that comes first is then the nearer one. Where classes have equally many votes, the one that comes first wins.

`paper` is all of CIFAR-10, k = 1, for which the notes have 0.386 (L1) and 0.354 (L2); `--set neighbours=1,3,5,8,10,12,
15,20,50,100` chooses among the assignment's. Needs no more than the data: `zoo data fetch cifar10`, and some minutes.
"""

from typing import Literal

import torch
from jaxtyping import Float, Float64, Int64, UInt8
from pydantic import Field, field_validator
from torch import Tensor, nn
from torch.nn import functional

from zoo.contracts import Ask, Family, Inputs, Learner, Recipe, Target
from zoo.evaluation.classification import accuracy_in_test
from zoo.tasks.classification import ClassificationFacts
from zoo.training.labelled import facts_of, open_classified

Distance = Literal["l1", "l2"]
AT_ONCE = 4096  # examples that are compared with at once
EXACT = 2**53  # whole numbers below are told apart by a float64
QUERIES = 500  # pictures of the training set that are asked about at once


class KNNRecipe(Recipe):
    """The defaults are the assignment's."""

    steps: int = Field(0, ge=0, le=0, description="nothing is stepped")
    batch_size: int = Field(1, ge=1, description="nothing is stepped")
    distance: Distance = Field("l2", description="sum of absolute or of squared differences of pixels")
    neighbours: tuple[int, ...] = Field(
        (1, 3, 5, 8, 10, 12, 15, 20, 50, 100), min_length=1, description="k is chosen among them; assignment"
    )
    folds: int = Field(5, ge=2, description="of the training set, each left out once to choose k; assignment")

    @field_validator("neighbours")
    @classmethod
    def _rising(cls, neighbours: tuple[int, ...]) -> tuple[int, ...]:
        if list(neighbours) != sorted(set(neighbours)) or neighbours[0] < 1:
            raise ValueError(f"expected numbers of neighbours that rise from at least 1, got {neighbours}")
        return neighbours


class KNNFacts(ClassificationFacts):
    """A memory has to be as large as what it is to hold."""

    examples: int


class Examples:
    """The training set, all of it."""

    def __init__(self, recipe: KNNRecipe, inputs: Inputs) -> None:
        images, labels, classes = open_classified(recipe, inputs)
        self.images = torch.from_numpy(images).flatten(1)
        self.labels = torch.from_numpy(labels).long()
        shape = facts_of(images, classes)
        self.facts = KNNFacts(**shape.model_dump(), examples=len(images))


class KNN(nn.Module):
    """Training pictures and their classes. Implements `zoo.tasks.classification.Classifier`: a class's probability is
    its share of the neighbours' votes."""

    examples: UInt8[Tensor, "m d"]
    labels: Int64[Tensor, "m"]
    k: Int64[Tensor, ""]

    def __init__(self, facts: KNNFacts, *, distance: Distance) -> None:
        super().__init__()
        self.distance, self.classes = distance, len(facts.classes)
        size = facts.channels * facts.height * facts.width
        if size * 255**2 * facts.examples >= EXACT:
            raise ValueError(
                f"expected fewer or smaller pictures, got {facts.examples:,} of {size:,} values: distances would no "
                "longer be exact. Convert them to a smaller size by `zoo data convert pictures`."
            )
        self.register_buffer("examples", torch.zeros(facts.examples, size, dtype=torch.uint8))
        self.register_buffer("labels", torch.zeros(facts.examples, dtype=torch.int64))
        self.register_buffer("k", torch.ones((), dtype=torch.int64))

    def probabilities(self, images: UInt8[Tensor, "n c h w"]) -> Float[Tensor, "n classes"]:
        near = nearest(images.flatten(1), self.examples, k=int(self.k), distance=self.distance)
        return votes(self.labels[near], self.classes)[:, -1] / self.k


def nearest(
    images: UInt8[Tensor, "n d"], examples: UInt8[Tensor, "m d"], *, k: int, distance: Distance
) -> Int64[Tensor, "n k"]:
    """The places of the nearest examples, nearest first; of equally near ones the first comes first.

    Never holds more distances than of `AT_ONCE` examples: what is nearest among these meets what was before.
    """
    best = torch.empty(len(images), 0, dtype=torch.float64, device=images.device)
    for start in range(0, len(examples), AT_ONCE):
        part = examples[start : start + AT_ONCE]
        places = torch.arange(start, start + len(part), device=images.device)
        # One whole number for a distance and a place, so that no two are equal.
        keys = _distances(images, part, distance) * len(examples) + places
        best = torch.cat([best, keys], dim=1)
        best = best.topk(min(k, best.shape[1]), dim=1, largest=False).values
    return best.long() % len(examples)


def _distances(
    images: UInt8[Tensor, "n d"], examples: UInt8[Tensor, "m d"], distance: Distance
) -> Float64[Tensor, "n m"]:
    """Without a rounding: sums of whole numbers that a float64 holds."""
    a, b = images.double(), examples.double()  # differences of bytes would wrap
    if distance == "l1":
        return torch.cdist(a, b, p=1)
    return a.square().sum(1, keepdim=True) + b.square().sum(1) - 2 * (a @ b.T)


def votes(labels: Int64[Tensor, "n k"], classes: int) -> Float[Tensor, "n k classes"]:
    """How many of the first 1, 2, ... k neighbours are of each class."""
    return functional.one_hot(labels, classes).cumsum(dim=1).float()


class KNNLearner(Learner):
    """Remembers the training set, and finds k on it."""

    def __init__(self, recipe: KNNRecipe, facts: KNNFacts) -> None:
        super().__init__()
        if facts.examples <= recipe.folds:
            raise ValueError(
                f"dataset {recipe.dataset!r}: expected more training pictures than {recipe.folds} folds, "
                f"got {facts.examples}."
            )
        self.recipe = recipe
        self.network = KNN(facts, distance=recipe.distance)

    def fit(self, training_set: Examples) -> None:
        """The k that is right most often about folds that it does not know; of equally good ones the smallest."""
        self.network.examples.copy_(training_set.images)
        self.network.labels.copy_(training_set.labels)
        right = self._right()
        self.network.k.fill_(max(right, key=lambda k: right[k]))

    def _right(self) -> dict[int, int]:
        """How many pictures each k names rightly, every one by the folds that it is not in."""
        images, labels = self.network.examples, self.network.labels
        count = len(images)
        smallest = count - -(-count // self.recipe.folds)  # what the largest fold leaves
        choices = [k for k in self.recipe.neighbours if k <= smallest] or [1]
        right = dict.fromkeys(choices, 0)
        for fold in torch.arange(count).chunk(self.recipe.folds):
            others = torch.ones(count, dtype=torch.bool).index_fill(0, fold, False).nonzero().squeeze(1)
            for asked in fold.split(QUERIES):
                near = nearest(images[asked], images[others], k=choices[-1], distance=self.recipe.distance)
                named = votes(labels[others[near]], self.network.classes).argmax(dim=2)
                for k in choices:
                    right[k] += int((named[:, k - 1] == labels[asked]).sum())
        return right

    def predictor(self) -> KNN:
        return self.network


FAMILY = Family(
    name="k-nn",
    paper="Cover and Hart, Nearest neighbor pattern classification, IEEE Trans. Inform. Theory 1967",
    recipes={
        "smoke": KNNRecipe(dataset="digits", neighbours=(1, 3)),
        "mini": KNNRecipe(dataset="digits"),
        "cifar10": KNNRecipe(dataset="cifar10"),
        "paper": KNNRecipe(dataset="cifar10", distance="l1", neighbours=(1,)),
    },
    learner=KNNLearner,
    facts=KNNFacts,
    training_set=Examples,
    benchmark=accuracy_in_test,
    asks=(Ask(metric="accuracy", value=0.94),),
    targets=(
        Target(metric="accuracy", value=0.386, dataset="cifar10", source="CS231n notes, classification: L1, k = 1"),
        Target(metric="accuracy", value=0.354, dataset="cifar10", source="CS231n notes, classification: L2, k = 1"),
    ),
)
