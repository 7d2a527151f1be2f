"""Two steps of every `paper` recipe on the CPU: its own networks, at its own size of pictures.

On made data, of which no class layer has as many classes as the paper's, and in batches of two, because those of the
papers would take minutes each. What is fitted or taken over has no steps.
"""

import gzip
import shutil
import struct
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from zoo.catalogue import CATALOGUE, family
from zoo.contracts import Inputs, Upstream
from zoo.data.pictures import read_indices, read_rgb
from zoo.entry import Entry

TOGETHER = 2  # examples a step; FCN's papers have one
PHOTOGRAPH = (500, 375)  # width and height, as most of VOC's have
ALIKE = {
    "cityscapes": "collage-coco",
    "coco": "collage-coco",
    "flyingchairs": "collage-flow",
    "flyingthings3d": "collage-flow",
    "imagenet-vid": "collage-track",
    "kinetics400": "collage-action",
    "ucf101": "collage-action",
    "vot-otb": "collage-track",
}
"""Made data in the layout of a paper's, of which its recipe enlarges what the network sees to the paper's size."""


def written_pictures(folder: Path, size: int) -> None:
    """Noise in the layout of `zoo data convert pictures`."""
    (folder / "train" / "pictures").mkdir(parents=True)
    noise = np.random.default_rng(0).integers(0, 256, size=(2 * TOGETHER, size, size, 3), dtype=np.uint8)
    for i, picture in enumerate(noise):
        Image.fromarray(picture).save(folder / "train" / "pictures" / f"{i}.png")


def written_mnist(folder: Path) -> None:
    """Noise of MNIST's size, in its layout."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 20), ("t10k", 10)):
        pictures = rng.integers(0, 256, size=(count, 28, 28), dtype=np.uint8)
        labels = np.arange(count, dtype=np.uint8) % 10
        for kind, head, values in (
            ("images-idx3", struct.pack(">4i", 2051, count, 28, 28), pictures),
            ("labels-idx1", struct.pack(">2i", 2049, count), labels),
        ):
            folder.mkdir(exist_ok=True)
            (folder / f"{split}-{kind}-ubyte.gz").write_bytes(gzip.compress(head + values.tobytes()))


def written_cifar10(folder: Path) -> None:
    """Noise in records of a label and a picture."""
    folder.mkdir()
    for name in ("data_batch_1", "test_batch"):
        records = np.random.default_rng(0).integers(0, 256, size=(20, 3073), dtype=np.uint8)
        records[:, 0] %= 10
        records.tofile(folder / f"{name}.bin")


def written_imagenet(folder: Path) -> None:
    """Noise of a photograph's size, in two classes."""
    for wnid in ("n00000001", "n00000002"):
        (folder / "train" / wnid).mkdir(parents=True)
        for i in range(TOGETHER):
            noise = np.random.default_rng(i).integers(0, 256, size=(*PHOTOGRAPH[::-1], 3), dtype=np.uint8)
            Image.fromarray(noise).save(folder / "train" / wnid / f"{wnid}_{i}.JPEG")


def enlarged_photographs(folder: Path, made: Path) -> None:
    """The made set of labelled pictures, at the size of photographs."""
    shutil.copytree(made, folder, copy_function=shutil.copyfile)
    for path in folder.glob("JPEGImages/*"):
        Image.fromarray(cv2.resize(read_rgb(path), PHOTOGRAPH)).save(path)
    for path in folder.glob("SegmentationClass/*"):
        larger = cv2.resize(read_indices(path), PHOTOGRAPH, interpolation=cv2.INTER_NEAREST)
        Image.fromarray(larger).save(path)


WRITERS: dict[str, Callable[[Path, Path], None]] = {
    "mnist": lambda folder, _: written_mnist(folder),
    "cifar10": lambda folder, _: written_cifar10(folder),
    "imagenet": lambda folder, _: written_imagenet(folder),
    "lsun-bedroom-64": lambda folder, _: written_pictures(folder, 64),
    "lsun-church-112": lambda folder, _: written_pictures(folder, 112),
    "voc-sbd": lambda folder, made: enlarged_photographs(folder, made / "collage-seg"),
} | {name: lambda folder, made, alike=alike: folder.symlink_to(made / alike) for name, alike in ALIKE.items()}


def prepared(name: str, folder: Path, made: Path) -> None:
    """Data under the name that a recipe has for it."""
    if not (folder / name).exists():
        WRITERS[name](folder / name, made)


def untrained(entry: Entry, folder: Path, made: Path) -> Upstream:
    """An upstream entry as the recipe that makes it, or else the paper's, builds it."""
    of = family(entry.family)
    recipe = next((recipe for recipe in of.recipes.values() if of.entry(recipe) == entry), of.recipes["paper"])
    prepared(recipe.dataset, folder, made)
    facts = of.training_set(recipe, Inputs(datasets=folder)).facts
    return Upstream(entry=entry, predictor=of.build(recipe, facts, {}).predictor().eval(), digest="0" * 64)


@pytest.mark.slow
@pytest.mark.timeout(1800)  # RAFT alone takes a minute and a half of a core
@pytest.mark.parametrize("name", CATALOGUE)
def test_two_steps_at_the_papers_size(name: str, datasets: Path, tmp_path: Path) -> None:
    of = family(name)
    recipe = of.recipes["paper"]
    if not recipe.steps:
        pytest.skip("nothing is stepped")
    recipe = recipe.but(batch_size=min(TOGETHER, recipe.batch_size))
    prepared(recipe.dataset, tmp_path, datasets)
    upstream = {entry: untrained(Entry(entry), tmp_path, datasets) for entry in recipe.needs}
    inputs = Inputs(datasets=tmp_path, upstream=upstream)
    torch.manual_seed(0)
    training_set = of.training_set(recipe, inputs)
    parts = {entry: deepcopy(inputs.upstream[entry].predictor) for entry in recipe.parts}
    learner = of.build(recipe, training_set.facts, parts).train()  # published weights are not at hand
    before = {key: value.detach().clone() for key, value in learner.named_parameters() if value.requires_grad}
    for step in range(2):
        scalars = learner.step(training_set(step))
        assert all(value.isfinite() for value in scalars.values()), scalars
    # Not all: rates warm up from next to nothing, blocks end in zeros, and two-stream rests one of its streams.
    assert any(not torch.equal(value, before[key]) for key, value in learner.named_parameters() if key in before)
