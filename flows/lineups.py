"""What a night trains: line-ups of (family, recipe), most of them read left to right before a person goes to bed."""

from typing import NamedTuple


class Slot(NamedTuple):
    """One entry of a line-up, by the recipe that makes it."""

    family: str
    recipe: str
    variant: str = ""
    seed: int | None = None  # instead of the recipe's


MEAN_SECONDS, MOST_SECONDS = 45, 100
"""Of one core, that training may cost in the mean of `mini`'s families, and for any of them: one that reaches what is
asked of it in no less may take that much, as long as the mean holds. With 25 s more each to start, score and register,
60 families take 35 minutes on two cores. README's figures are held to it."""

LINEUPS: dict[str, tuple[Slot, ...]] = {
    # Seconds each: shows that the house stands.
    "quick": (
        Slot("digit-classifier", "mini"),
        Slot("fcn8s", "smoke"),
        Slot("raft-small", "smoke"),
        Slot("c3d", "smoke"),
        Slot("siamfc", "smoke"),
        Slot("wgan-gp", "smoke"),
    ),
    # A quarter of an hour on two cores: every family learns something real from data that needs no download.
    "mini": (
        Slot("digit-classifier", "mini"),
        Slot("k-nn", "mini"),
        Slot("svm", "mini"),
        Slot("softmax", "mini"),
        Slot("fully-connected", "mini"),
        Slot("cnn", "mini"),
        Slot("vit", "mini"),
        Slot("convnext", "mini"),
        Slot("fcn32s", "mini"),
        Slot("fcn16s", "mini"),
        Slot("fcn8s", "mini"),
        Slot("mask-rcnn", "mini"),
        Slot("deep-snake", "mini"),
        Slot("raft-small", "mini"),
        Slot("raft", "mini"),
        Slot("c3d", "mini"),
        Slot("two-stream", "mini"),
        Slot("single-frame", "mini"),
        Slot("early-fusion", "mini"),
        Slot("late-fusion", "mini"),
        Slot("slow-fusion", "mini"),
        Slot("i3d-colour", "mini"),
        Slot("i3d-flow", "mini"),
        Slot("i3d", "mini"),
        Slot("siamfc", "mini"),
        Slot("hcf", "mini"),
        Slot("mdnet", "mini"),
        Slot("vae-bernoulli", "mini"),
        Slot("vae-gaussian", "mini"),
        Slot("dcgan", "mini"),
        Slot("lsgan", "mini"),
        Slot("wgan", "mini"),
        Slot("wgan-gp", "mini"),
        Slot("ddpm", "mini"),
        Slot("ddim", "mini"),
        Slot("gan", "mini"),
        Slot("f-gan", "mini"),
        Slot("acgan", "mini"),
        Slot("pixel-cnn", "mini"),
        Slot("gaussian-mixture", "mini"),
    ),
    # Real data sets, which a person brings first: `zoo data add camvid PATH`, likewise cifar10, otb and mnist.
    "real": (
        Slot("digit-classifier", "mnist"),
        Slot("cnn", "cifar10"),
        Slot("vit", "cifar10"),
        Slot("convnext", "cifar10"),
        Slot("fcn8s", "camvid"),
        Slot("siamfc", "otb"),
        Slot("mdnet", "otb"),
        Slot("wgan-gp", "mnist"),
    ),
}


def lineup(name: str, *, seed: int | None = None) -> tuple[Slot, ...]:
    """A line-up by name.

    Args:
        seed: what every entry is trained under, upstreams included, instead of its recipe's seed.

    Raises:
        ValueError: no such line-up.
    """
    if name not in LINEUPS:
        raise ValueError(f"no line-up {name!r}; there are: {', '.join(LINEUPS)}.")
    return tuple(slot._replace(seed=seed) for slot in LINEUPS[name])
