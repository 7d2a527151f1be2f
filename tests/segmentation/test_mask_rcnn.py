"""The network against torchvision's own; its batches of unequal pictures; its schedule and its weights file."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from torchvision.models.detection import MaskRCNN_ResNet50_FPN_Weights, maskrcnn_resnet50_fpn

from zoo.contracts import Inputs
from zoo.data.coco import open_coco
from zoo.data.made import make
from zoo.segmentation.mask_rcnn import FAMILY, MaskRCNN, MaskRCNNLearner, MaskRCNNRecipe, listed, padded, warmed_steps
from zoo.tasks.detection import DetectionFacts

COCO = DetectionFacts(classes=tuple(f"class {k}" for k in range(90)))  # the names of 80, with gaps


def example(height: int, width: int, *, things: int, seed: int = 0) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(things, 2, generator=generator) * torch.tensor([width / 2, height / 2])
    boxes = torch.cat([corner, corner + torch.tensor([width / 3, height / 3])], dim=1)
    masks = torch.zeros(things, height, width, dtype=torch.uint8)
    for mask, (left, top, right, bottom) in zip(masks, boxes.int().tolist(), strict=True):
        mask[top:bottom, left:right] = 1
    return {
        "image": torch.randint(0, 256, (3, height, width), dtype=torch.uint8, generator=generator),
        "boxes": boxes,
        "labels": torch.randint(1, 3, (things,), generator=generator),
        "masks": masks,
    }


def small(**changes: object) -> MaskRCNNRecipe:
    recipe = FAMILY.recipe("smoke", width=16, hidden=16, mask_layers=(8,), warmup=1, batch_size=2, **changes)
    assert isinstance(recipe, MaskRCNNRecipe)
    return recipe


def test_parameters_are_torchvisions_44_4_million() -> None:
    with torch.device("meta"):
        learner = FAMILY.learner(FAMILY.recipe("paper"), COCO)
    parameters = list(learner.predictor().parameters())
    assert sum(p.numel() for p in parameters) == MaskRCNN_ResNet50_FPN_Weights.COCO_V1.meta["num_params"] == 44_401_393
    # conv1 and the first stage stay as published: 7 x 7 x 3 x 64 and three bottlenecks.
    first = 3 * (64 * 64 * 9 + 64 * 256) + (64 * 64 + 2 * 256 * 64) + 64 * 256
    assert sum(p.numel() for p in parameters if not p.requires_grad) == 7 * 7 * 3 * 64 + first


def test_detects_what_torchvisions_own_builder_does() -> None:
    torch.manual_seed(0)
    theirs = maskrcnn_resnet50_fpn(
        weights=None, weights_backbone=None, min_size=128, max_size=160, box_score_thresh=0.0
    )
    recipe = FAMILY.recipe("paper", shorter_side=128, longer_side=160)
    ours = MaskRCNN(recipe, len(COCO.classes)).eval()
    ours.network.load_state_dict(theirs.eval().state_dict())
    ours.network.roi_heads.score_thresh = 0.0
    image = example(120, 100, things=0)["image"]
    with torch.inference_mode():
        expected = theirs([image / 255])[0]
    found = ours.detect(image[None])[0]
    assert len(found.scores) == 100  # at random, but 100
    torch.testing.assert_close(found.scores, expected["scores"])
    assert torch.equal(found.classes, expected["labels"] - 1)
    torch.testing.assert_close(found.boxes[:, :2] + found.boxes[:, 2:], expected["boxes"][:, 2:])
    assert torch.equal(found.masks, expected["masks"][:, 0] >= 0.5)


def test_starts_from_a_torchvision_resnet50(tmp_path: Path) -> None:
    torch.manual_seed(0)
    published = torchvision.models.resnet50().state_dict()
    torch.save(published, tmp_path / "file")
    name = f"resnet50-{hashlib.sha256((tmp_path / 'file').read_bytes()).hexdigest()[:8]}.pth"
    (tmp_path / "file").rename(tmp_path / name)
    learner = FAMILY.learner(FAMILY.recipe("paper", weights=name), DetectionFacts(classes=("a",)))
    learner.begin(Inputs(datasets=tmp_path))
    taken = learner.predictor().state_dict()
    body = {key.rpartition("body.")[2]: value for key, value in taken.items() if "body." in key}
    assert body.keys() == {key for key in published if not key.startswith("fc.") and "num_batches" not in key}
    assert all(torch.equal(body[key], published[key]) for key in body)


def test_missing_weights_say_what_to_fetch(tmp_path: Path) -> None:
    for name in ("paper", "1x"):
        with torch.device("meta"):
            learner = FAMILY.learner(FAMILY.recipe(name), DetectionFacts(classes=("a",)))
        with pytest.raises(ValueError, match=r"Run `zoo data fetch resnet50-imagenet`"):
            learner.begin(Inputs(datasets=tmp_path))


def test_recipes_refuse_what_cannot_be() -> None:
    with pytest.raises(ValueError, match="expected published weights for resnet50"):
        FAMILY.recipe("paper", weights="")
    with pytest.raises(ValueError, match="an anchor size for each of 4 levels, got 2"):
        FAMILY.recipe("mini", anchors=(16, 32))


def test_the_rate_warms_up_and_falls_to_a_tenth_twice() -> None:
    factor = warmed_steps(10, (20, 30))
    assert [factor(done) for done in (0, 5, 10, 19)] == pytest.approx([0.001, 0.5005, 1, 1])
    assert [factor(done) for done in (20, 29, 30, 99)] == pytest.approx([0.1, 0.1, 0.01, 0.01])


def test_padding_is_undone() -> None:
    examples = [example(40, 64, things=3), example(64, 48, things=0), example(32, 32, things=1)]
    batch = padded(examples)
    assert {name: tuple(value.shape) for name, value in batch.items()} == {
        "image": (3, 3, 64, 64),
        "boxes": (3, 3, 4),
        "labels": (3, 3),
        "masks": (3, 3, 64, 64),
        "size": (3, 2),
        "count": (3,),
    }
    images, things = listed(batch)
    for whole, image, named in zip(examples, images, things, strict=True):
        for name, value in (named | {"image": image}).items():
            assert torch.equal(value, whole[name])


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_learns_a_batch_that_has_a_picture_without_things(precision: torch.dtype) -> None:
    torch.manual_seed(0)
    learner = MaskRCNNLearner(small(learning_rate=0.01), DetectionFacts(classes=("a", "b"))).train()
    batch = padded([example(96, 64, things=2), example(64, 96, things=0, seed=1)])
    losses = []
    for _ in range(25):
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == torch.bfloat16):
            losses.append(learner.step(batch)["loss"].item())
    assert np.isfinite(losses).all()
    assert np.mean(losses[-5:]) < 0.7 * np.mean(losses[:5])


def test_nothing_to_learn_is_no_nan() -> None:
    torch.manual_seed(0)
    learner = MaskRCNNLearner(small(), DetectionFacts(classes=("a", "b"))).train()
    scalars = learner.step(padded([example(64, 64, things=0), example(64, 64, things=0, seed=1)]))
    assert all(scalar.isfinite() and scalar.ndim == 0 and not scalar.requires_grad for scalar in scalars.values())
    assert scalars["loss_mask"] == scalars["loss_box_reg"] == 0
    assert all(parameter.isfinite().all() for parameter in learner.parameters())


def test_batches_hold_things_where_they_are_mirrored_or_not(tmp_path: Path) -> None:
    make("collage-coco", tmp_path / "collage-coco")
    batches = FAMILY.training_set(FAMILY.recipe("mini", batch_size=12, light=0.0), Inputs(datasets=tmp_path))
    split = open_coco(tmp_path / "collage-coco", "train")
    originals = {split[i][0].tobytes() for i in range(len(split))}
    unchanged = 0
    images, things = listed(batches(0))
    for image, named in zip(images, things, strict=True):
        unchanged += image.permute(1, 2, 0).contiguous().numpy().tobytes() in originals
        assert len(named["labels"]) > 0
        assert ((named["labels"] >= 1) & (named["labels"] <= 8)).all()
        for mask, box in zip(named["masks"], named["boxes"].tolist(), strict=True):
            rows, columns = mask.nonzero().T
            assert [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1] == box
    assert 0 < unchanged < 12
    assert batches.facts.classes == split.classes


@pytest.mark.shared_data
def test_two_steps_on_coco(shared_data: Path, tmp_path: Path) -> None:
    """Real pictures of several sizes, things beyond counting left out."""
    (tmp_path / "coco").symlink_to(shared_data / "coco_tiny")
    recipe = small(dataset="coco", shorter_side=96, longer_side=160)
    batches = FAMILY.training_set(recipe, Inputs(datasets=tmp_path))
    torch.manual_seed(0)
    learner = FAMILY.learner(recipe, batches.facts).train()
    for step in range(2):
        assert learner.step(batches(step))["loss"].isfinite()
    image, things = open_coco(tmp_path / "coco", "train")[0]
    found = learner.eval().predictor().detect(torch.from_numpy(image).permute(2, 0, 1)[None])[0]
    assert found.masks.shape[1:] == image.shape[:2]
    assert len(batches.facts.classes) == 80
    assert things.masks.shape[1:] == image.shape[:2]
