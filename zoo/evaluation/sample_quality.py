"""How a recipe says in which feature space its draws are judged, and the benchmark that does so."""

from pydantic import Field

from zoo.contracts import Inputs, Recipe, Scores
from zoo.entry import Entry
from zoo.evaluation.inception_sampling import InceptionSamplingBenchmark
from zoo.evaluation.sampling import SamplingBenchmark

INCEPTION = "inception"


class SamplerRecipe(Recipe):
    """What recipes of samplers share. Papers report 50,000 draws in the space of Inception."""

    space: Scores[str] = Field("digit-classifier", description="classifier whose features compare draws, or inception")
    draws: Scores[int] = Field(2000, ge=20, description="pictures that are drawn and scored")

    @property
    def scoring_needs(self) -> tuple[str, ...]:
        return () if self.space == INCEPTION else (Entry.of(self.space, self.scored),)


def sample_quality(recipe: SamplerRecipe, inputs: Inputs) -> SamplingBenchmark | InceptionSamplingBenchmark:
    """Fréchet distance, inception score and kernel distance of draws to the training split, in the recipe's space."""
    if recipe.space == INCEPTION:
        return InceptionSamplingBenchmark(recipe.scored, inputs, draws=recipe.draws)
    return SamplingBenchmark(recipe.scored, inputs, space=recipe.space, draws=recipe.draws)
