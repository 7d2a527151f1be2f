"""DDPM's weights in few steps: each goes straight for the picture that the noise predicted in it hides.

    zoo train ddim --recipe mini    # FID 17.2 on digits, in 10 of 50 steps (seed 0); a Gaussian 54.1

Differs from the paper: the predicted picture is clipped to -1 ... 1, as Ho et al.'s code does and Song et al.'s does
not. `paper` squares its steps, as the paper's 4.16 needs: spread evenly they give 5.68 (the first author in
github.com/ermongroup/ddim, issue 3).
"""

from collections.abc import Mapping
from functools import partial
from typing import Any, cast

from pydantic import Field
from torch import nn

from zoo.contracts import Ask, Facts, Family, Learner, Scores, Target
from zoo.entry import Entry
from zoo.evaluation.sample_quality import SamplerRecipe, sample_quality
from zoo.generative.ddpm import DDPM, DdpmRecipe, Denoiser, Spacing, implicit_step


class DdimRecipe(SamplerRecipe):
    """Song et al. 2021, section 5: nothing is trained."""

    steps: int = Field(0, ge=0, le=0, description="nothing is trained")
    batch_size: int = Field(1, ge=1, description="nothing is trained")
    draw_steps: Scores[int] = Field(100, ge=1, description="steps when drawing, of those trained (section 5)")
    spacing: Scores[Spacing] = Field("even", description="how they are spread; quadratic on CIFAR-10 (authors' code)")
    eta: Scores[float] = Field(0.0, ge=0, le=1, description="noise of a reverse step: 1 DDPM's, 0 none (eq. 16)")

    @property
    def needs(self) -> tuple[str, ...]:
        return (Entry.of("ddpm", self.scored),)

    @classmethod
    def upgraded(cls, numbers: Mapping[str, Any]) -> dict[str, Any]:
        """Once all numbers of the DDPM were repeated here."""
        return {name: value for name, value in numbers.items() if name in cls.model_fields}

    @classmethod
    def older_upstream(cls, numbers: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        recipe = {name: value for name, value in numbers.items() if name in DdpmRecipe.model_fields} | {
            "variance": "posterior"
        }
        entry = Entry.of("ddpm", numbers["scored_on"] or numbers["dataset"])
        return {entry: {"family": "ddpm", "recipe_name": "", "recipe": recipe, "facts": dict(facts)}}


class DdimLearner(Learner):
    """The weights are a trained DDPM's."""

    def __init__(self, recipe: DdimRecipe, _facts: Facts, upstream: Mapping[str, nn.Module]) -> None:
        super().__init__()
        (trained,) = upstream.values()
        self.denoiser = cast(Denoiser, trained).requires_grad_(False)
        self.denoiser.draw_by(
            steps=recipe.draw_steps, reverse=partial(implicit_step, eta=recipe.eta), spacing=recipe.spacing
        )

    def predictor(self) -> Denoiser:
        return self.denoiser


SHARED = {"dataset", "space", "draws"}
FAMILY = Family(
    name="ddim",
    paper="Song et al., Denoising diffusion implicit models, ICLR 2021",
    # Only how it draws is ours to choose; what it draws from is the DDPM's recipe of the same name.
    recipes={
        name: DdimRecipe(**DDPM.recipes[name].model_dump(include=SHARED), draw_steps=steps, spacing=spacing)
        for name, steps, spacing in (("smoke", 10, "even"), ("mini", 10, "even"), ("paper", 100, "quadratic"))
    },
    learner=DdimLearner,
    benchmark=sample_quality,
    asks=(Ask(metric="classifier_FID", value=54.1),),
    targets=(
        Target(metric="FID", value=4.16, dataset="cifar10", source="table 1, 100 steps, eta 0"),
        Target(metric="FID", value=5.52, dataset="cifar10", source="100 steps, reproduced by others"),
    ),
)
