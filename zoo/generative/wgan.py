"""A critic that estimates the Wasserstein distance, kept Lipschitz by clipping its weights.

    zoo train wgan --recipe mini   # FID 11.8 +- 0.9 on digits (seeds 0-2); a Gaussian of the pixels 54.1

Differs from the paper: `smoke` and `mini` start from a 2 x 2 map with 3 x 3 convolutions, as fits pictures of 8 x 8,
and learn faster. The authors' code trains the critic 100 times before some generator updates; algorithm 1 does not.
"""

from functools import partial

import torch
from pydantic import Field
from torch import Tensor, nn

from zoo.contracts import Ask, Family
from zoo.evaluation.sample_quality import SamplerRecipe, sample_quality
from zoo.generative.adversarial import WASSERSTEIN, Alternating
from zoo.layers.dcgan import DcganSizes, networks
from zoo.tasks.sampling import PictureFacts
from zoo.training import Updater
from zoo.training.pictures import PictureBatches


class WganRecipe(DcganSizes, SamplerRecipe):
    """Arjovsky et al. 2017; numbers of algorithm 1, networks of DCGAN (section 4.1)."""

    critic_steps: int = Field(5, ge=1, description="critic updates a generator update (algorithm 1)")
    clip: float = Field(0.01, gt=0, description="c: the critic's weights stay in [-c, c] (algorithm 1)")
    learning_rate: float = Field(5e-5, gt=0, description="of RMSProp (algorithm 1)")


@torch.no_grad()
def clip_weights(network: nn.Module, limit: float) -> None:
    """Every weight into [-limit, limit]."""
    weights: list[Tensor] = list(network.parameters())
    torch._foreach_clamp_min_(weights, -limit)
    torch._foreach_clamp_max_(weights, limit)


def learner(recipe: WganRecipe, facts: PictureFacts) -> Alternating:
    """Algorithm 1: so many critic updates, each followed by clipping, then one of the generator."""
    generator, critic = networks(channels=facts.channels, size=facts.height, **recipe.sizes)
    critic.score.register_parameter("bias", None)  # a constant cancels in real - fake
    move_generator, move_critic = (
        Updater(network.parameters(), torch.optim.RMSprop, lr=recipe.learning_rate) for network in (generator, critic)
    )
    return Alternating(
        generator,
        critic,
        noise=generator.noise,
        losses=WASSERSTEIN,
        move_generator=move_generator,
        move_discriminator=move_critic,
        discriminator_steps=recipe.critic_steps,
        fresh_batches=1,
        bound=partial(clip_weights, limit=recipe.clip),
    )


FAMILY = Family(
    name="wgan",
    paper="Arjovsky et al., Wasserstein generative adversarial networks, ICML 2017",
    recipes={
        "smoke": WganRecipe(
            dataset="digits", steps=450, batch_size=32, first=2, width=16, kernel=3, latent=32, learning_rate=1e-3
        ),
        "mini": WganRecipe(
            dataset="digits", steps=1200, batch_size=64, first=2, width=32, kernel=3, latent=32, learning_rate=5e-4
        ),
        # Batches of algorithm 1. The paper shows 400,000 generator updates at most (figure 3).
        "paper": WganRecipe(dataset="cifar10", steps=400_000, batch_size=64, space="inception", draws=50_000),
    },
    learner=learner,
    facts=PictureFacts,
    training_set=lambda recipe, inputs: PictureBatches(recipe, inputs, portions=recipe.critic_steps),
    benchmark=sample_quality,
    asks=(Ask(metric="classifier_FID", value=54.1),),
)
