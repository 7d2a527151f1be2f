"""A critic that estimates the Wasserstein distance, kept Lipschitz by clipping its weights.

    zoo train wgan --recipe mini   # FID 13.5 on digits (seed 0); a Gaussian of the pixels 54.1

`paper` learns LSUN's bedrooms, exported and brought to 64 x 64 by `zoo data convert pictures DIR lsun-bedroom-64 --size
64`. They take 35 GiB, and a third of the memory at most may go into pictures.

Differs from the paper: z is uniform, as DCGAN's; the authors' code (github.com/martinarjovsky/WassersteinGAN, main.py,
models/dcgan.py: "code" below) draws it from N(0, 1) and has no biases at the pictures. It trains the critic 100 times
before some generator updates; algorithm 1 does not. `smoke` and `mini` start from a 2 x 2 map with 3 x 3 convolutions,
as fits pictures of 8 x 8, and learn faster.
"""

from functools import partial

import torch
from pydantic import Field
from torch import Tensor, nn

from zoo.contracts import Ask, Family
from zoo.evaluation.sample_quality import SamplerRecipe, sample_quality
from zoo.generative.adversarial import WASSERSTEIN, Alternating
from zoo.generative.dcgan import BEDROOMS
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
        # Code, main.py: batches of 64, 64 channels (ngf), 25 passes, one generator update every five batches;
        # models/dcgan.py: 4 x 4 convolutions.
        "paper": WganRecipe(
            dataset="lsun-bedroom-64",
            steps=25 * BEDROOMS // (5 * 64),
            batch_size=64,
            width=64,
            kernel=4,
            space="inception",
            draws=50_000,
        ),
        # The paper does not generate these; the number of updates is ours.
        "cifar10": WganRecipe(dataset="cifar10", steps=400_000, batch_size=64, space="inception", draws=50_000),
    },
    learner=learner,
    facts=PictureFacts,
    training_set=lambda recipe, inputs: PictureBatches(recipe, inputs, portions=recipe.critic_steps),
    benchmark=sample_quality,
    asks=(Ask(metric="classifier_FID", value=54.1),),
)
