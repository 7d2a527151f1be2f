"""What a training step costs: as the loop runs it, and as plain eager fp32 code of the same network written by hand.

    make bench

Same weights, same batch, one thread, one process; both ways alternate and the medians of their processor time are
compared. The loop measures how it runs a network fastest (bf16 where the processor has AMX, or a GPU) and seeds every
step; where there is nothing to gain, its way is the plain one. A ratio below 1 means that the code by hand is faster.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from zoo.catalogue import family
from zoo.contracts import Batch, Inputs, Learner, Recipe
from zoo.data.made import make
from zoo.training.placement import choose

TURNS, STEPS, WARM_UP = 7, 10, 3
Step = Callable[[Batch], object]


def dcgan(learner: Learner, recipe: Recipe) -> Step:
    """Radford et al. 2016, as a tutorial would have it."""
    generator, discriminator = learner.generator, learner.discriminator
    move_generator, move_discriminator = (
        torch.optim.Adam(network.parameters(), lr=recipe.learning_rate, betas=recipe.betas)
        for network in (generator, discriminator)
    )

    def step(batch: Batch) -> object:
        real = batch["image"].float() / 127.5 - 1
        ones, zeros = torch.ones(len(real)), torch.zeros(len(real))
        fake = generator(torch.rand(len(real), recipe.latent) * 2 - 1)
        move_discriminator.zero_grad()
        loss = functional.binary_cross_entropy_with_logits(discriminator(real), ones)
        loss = loss + functional.binary_cross_entropy_with_logits(discriminator(fake.detach()), zeros)
        loss.backward()
        move_discriminator.step()
        move_generator.zero_grad()
        loss = functional.binary_cross_entropy_with_logits(discriminator(fake), ones)
        loss.backward()
        move_generator.step()
        return loss.item()

    return step


def siamfc(learner: Learner, recipe: Recipe) -> Step:
    """Bertinetto et al. 2016: logistic loss of the response map, weighted so that both signs count alike."""
    network, label = learner.network, learner.label
    optimizer = torch.optim.SGD(
        network.parameters(), lr=recipe.learning_rate, momentum=recipe.momentum, weight_decay=recipe.weight_decay
    )
    weight = torch.where(label > 0, 0.5 / (label > 0).sum(), 0.5 / (label < 0).sum())

    def step(batch: Batch) -> object:
        response = network(batch["exemplar"], batch["search"])
        wanted = (label > 0).float().expand_as(response)
        loss = functional.binary_cross_entropy_with_logits(response, wanted, weight, reduction="sum") / len(response)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def c3d(learner: Learner, recipe: Recipe) -> Step:
    """Tran et al. 2015: cross entropy under SGD; the recipe's bound on the gradient is ours."""
    network = learner.network
    optimizer = torch.optim.SGD(
        network.parameters(), lr=recipe.learning_rate, momentum=recipe.momentum, weight_decay=recipe.weight_decay
    )

    def step(batch: Batch) -> object:
        loss = functional.cross_entropy(network(batch["clip"]), batch["label"])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), recipe.clip)
        optimizer.step()
        return loss.item()

    return step


def classifier(learner: Learner, recipe: Recipe) -> Step:
    """Dosovitskiy et al. 2021 and Liu et al. 2022: cross entropy under AdamW, decay on everything."""
    network = learner.network
    optimizer = torch.optim.AdamW(network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)

    def step(batch: Batch) -> object:
        loss = functional.cross_entropy(network(batch["image"]), batch["label"], label_smoothing=learner.smoothing)
        optimizer.zero_grad()
        loss.backward()
        if recipe.clip:
            nn.utils.clip_grad_norm_(network.parameters(), recipe.clip)
        optimizer.step()
        return loss.item()

    return step


def i3d(learner: Learner, recipe: Recipe) -> Step:
    """Carreira and Zisserman 2017: cross entropy under SGD; the recipe's bound on the gradient is ours."""
    network = learner.network
    optimizer = torch.optim.SGD(
        network.parameters(), lr=recipe.rates[0][1], momentum=recipe.momentum, weight_decay=recipe.weight_decay
    )

    def step(batch: Batch) -> object:
        loss = functional.cross_entropy(network(batch["clip"]), batch["label"])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), recipe.clip)
        optimizer.step()
        return loss.item()

    return step


FAMILIES = {
    "dcgan": ("digits", dcgan),
    "siamfc": ("collage-track", siamfc),
    "c3d": ("collage-action", c3d),
    "vit": ("digits", classifier),
    "convnext": ("digits", classifier),
    "i3d-colour": ("collage-action", i3d),
}


def seconds(step: Step, batch: Batch) -> float:
    """Of processor time a step."""
    start = time.process_time()
    for _ in range(STEPS):
        step(batch)
    return (time.process_time() - start) / STEPS


def compare(name: str, by_hand: Callable[[Learner, Recipe], Step], inputs: Inputs) -> None:
    """Print a family's line."""
    of = family(name)
    recipe = of.recipe("mini")
    batches = of.training_set(recipe, inputs)
    batch = batches(0)
    learner = of.learner(recipe, batches.facts).train()
    plain = by_hand(deepcopy(learner), recipe)
    placement = choose(learner, batches, recipe)
    placement.place(learner)
    placed = placement.move(batch)

    def ours(_: Batch) -> None:
        placement.seed(0)
        with placement.autocast():
            learner.step(placed)

    for _ in range(WARM_UP):
        plain(batch)
        ours(batch)
    turns = [(seconds(plain, batch), seconds(ours, batch)) for _ in range(TURNS)]
    theirs, own = (statistics.median(way) * 1000 for way in zip(*turns, strict=True))
    how = f"{placement.precision}{' channels_last' if placement.channels_last else ''}, {placement.device}"
    print(f"{name:10s} {theirs:11.1f} {own:11.1f} {theirs / own:7.2f}   {how}", flush=True)


def main() -> None:
    """Print a line per family."""
    torch.set_num_threads(1)
    print("family     by hand, ms   loop's, ms   ratio   placement")
    with tempfile.TemporaryDirectory() as folder:
        for name, (dataset, by_hand) in FAMILIES.items():
            if not (Path(folder) / dataset).is_dir():
                make(dataset, Path(folder) / dataset)
            compare(name, by_hand, Inputs(datasets=Path(folder)))


if __name__ == "__main__":
    main()
