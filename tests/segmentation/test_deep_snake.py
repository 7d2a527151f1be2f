"""The geometry of contours against cases worked by hand; the network against the authors' sizes."""

from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from torch import nn

from zoo.contracts import Inputs, Upstream
from zoo.data.coco import outlined
from zoo.segmentation.contours import (
    area,
    described,
    diamonds,
    extreme_points,
    matched,
    octagons,
    parts,
    resampled,
    turned,
)
from zoo.segmentation.deep_snake import FAMILY, DeepSnake, DeepSnakeLearner, DeepSnakeRecipe, Snake, _filled, _seen
from zoo.segmentation.mask_rcnn import FAMILY as MASK_RCNN
from zoo.segmentation.mask_rcnn import MaskRCNN
from zoo.tasks.detection import DetectionFacts
from zoo.training import train

TWO = DetectionFacts(classes=("a", "b"))
ENTRY = "mask-rcnn.collage-coco"


def detector(facts: DetectionFacts = TWO) -> MaskRCNN:
    torch.manual_seed(0)
    recipe = MASK_RCNN.recipe("smoke", width=16, hidden=16, mask_layers=(8,))
    return cast(MaskRCNN, MASK_RCNN.learner(recipe, facts).predictor())


def small(**changes: object) -> DeepSnakeRecipe:
    recipe = FAMILY.recipe("smoke", seen=8, width=8, fused=8, points=32, batch_size=2, **changes)
    assert isinstance(recipe, DeepSnakeRecipe)
    return recipe


def ellipse(points: int, *, width: float, height: float) -> np.ndarray:
    angle = np.linspace(0, 2 * np.pi, points, endpoint=False)
    outline = np.stack([20 + width / 2 * np.cos(angle), 30 + height / 2 * np.sin(angle)], 1)
    return turned(outline.astype(np.float32))


def test_a_diamond_goes_from_the_top_by_the_left_to_the_right() -> None:
    (diamond,) = diamonds(torch.tensor([[10.0, 20, 30, 60]]))
    assert diamond.tolist() == [[20, 20], [10, 40], [20, 60], [30, 40]]
    assert area(diamond.numpy()) == 400 > 0  # half of the box, run through the way contours are


def test_an_octagon_by_hand() -> None:
    (octagon,) = octagons(diamonds(torch.tensor([[0.0, 0, 16, 8]])))
    expected = [(8, 0), (6, 0), (0, 3), (0, 4), (0, 5), (6, 8), (8, 8), (10, 8), (16, 5), (16, 4), (16, 3), (10, 0)]
    assert [tuple(point) for point in octagon.tolist()] == expected


def test_an_octagon_is_cut_off_at_its_box() -> None:
    extremes = torch.tensor([[[0.0, 0], [0, 8], [8, 8], [8, 0]]])  # in the corners
    (octagon,) = octagons(extremes)
    assert octagon.min() == 0
    assert octagon.max() == 8
    assert octagon.tolist()[:2] == [[0, 0], [0, 0]]  # left of the topmost point there is nothing


def test_resampling_is_uniform_along_the_outline_and_starts_where_it_did() -> None:
    torch.manual_seed(0)
    polygons = torch.rand(5, 7, 2) * 50
    points = resampled(polygons, 400)
    torch.testing.assert_close(points[:, 0], polygons[:, 0])
    lengths = (polygons - polygons.roll(-1, 1)).norm(dim=-1).sum(1)
    steps = (points.roll(-1, 1) - points).norm(dim=-1)
    assert (steps <= lengths[:, None] / 400 + 1e-4).all()  # shorter only across a corner
    assert (steps > 0.99 * lengths[:, None] / 400).float().mean() > 0.95
    square = torch.tensor([[[0.0, 0], [0, 4], [4, 4], [4, 0]]])
    assert resampled(square, 8)[0].tolist() == [[0, 0], [0, 2], [0, 4], [2, 4], [4, 4], [4, 2], [4, 0], [2, 0]]


def test_extreme_points_are_the_middles_of_what_is_within_two_percent() -> None:
    outline = np.array([[0, 0], [0, 100], [60, 100], [60, 1], [40, 1], [40, 3], [20, 3], [20, 0]], np.float32)
    top, left, bottom, right = extreme_points(outline).tolist()
    assert top == [30, 0]  # from x = 0 to 60: the stretch at 1 is within 2 of 100
    assert left == [0, 50]
    assert bottom == [30, 100]
    assert right == [60, 50.5]


def test_the_truth_starts_by_the_octagon_and_runs_its_way() -> None:
    outline = ellipse(360, width=20, height=40)
    assert area(outline) == pytest.approx(np.pi * 10 * 20, rel=1e-3)
    assert area(turned(np.ascontiguousarray(outline[::-1]))) == area(outline)
    found = described([outline], 64, room=3)
    octagon = resampled(octagons(torch.from_numpy(found["extremes"][:1])), 64)[0].numpy()
    apart = np.linalg.norm(found["outline"][0] - octagon, axis=1)
    # Nowhere else than at the start do points of the two lie nearer by each other.
    assert all(
        np.linalg.norm(np.roll(found["outline"][0], k, 0) - octagon, axis=1).sum() > apart.sum() for k in (1, -1, 9)
    )
    assert found["boxes"].tolist()[1:] == [[0] * 4] * 2
    np.testing.assert_allclose(matched(np.roll(outline, 99, 0), octagon[0], 64), found["outline"][0], atol=0.2)


def test_each_part_of_a_thing_has_an_outline_and_specks_have_none() -> None:
    mask = np.zeros((40, 60), bool)
    mask[5:20, 5:25], mask[25:35, 30:50], mask[2, 50:52] = True, True, True
    found = parts(mask)
    assert sorted(extreme_points(outline).min(0).tolist() for outline in found) == [[5.25, 5.25], [30.25, 25.25]]
    again = outlined([outline.ravel().tolist() for outline in found], height=40, width=60)
    mask[2] = False
    np.testing.assert_array_equal(again, mask)
    masks = _filled(torch.stack([resampled(torch.from_numpy(o)[None], 400)[0] for o in found]), height=40, width=60)
    np.testing.assert_array_equal(masks.any(0).numpy(), mask)


def test_the_snake_has_the_authors_parameters() -> None:
    assert sum(p.numel() for p in Snake(inputs=66, width=128, fused=256).parameters()) == 1_718_210
    network = DeepSnake(detector())
    own = (network.extremes, network.deform, network.with_middle)
    assert sum(p.numel() for part in own for p in part.parameters()) == 6_881_096


def test_a_snake_knows_no_first_point() -> None:
    torch.manual_seed(0)
    snake = Snake(inputs=6, width=8, fused=8).eval()
    for parameter in snake.parameters():
        nn.init.normal_(parameter, std=0.3)
    seen = torch.randn(2, 6, 40)
    for shift in (1, 7, 39):
        torch.testing.assert_close(snake(seen.roll(shift, -1)), snake(seen).roll(shift, -1))


def test_a_contour_sees_the_map_of_its_own_picture_where_it_is() -> None:
    y, x = torch.meshgrid((torch.arange(6) + 0.5) * 4, (torch.arange(8) + 0.5) * 4, indexing="ij")
    maps = torch.stack([torch.stack([x, y]), torch.stack([x, y]) + 1000])
    points = torch.tensor([[[5.0, 9], [20, 12]], [[7, 7], [9, 21]], [[16, 16], [3, 4]]])
    torch.testing.assert_close(
        _seen(maps, points, [1, 2]).transpose(1, 2), points + torch.tensor([0, 1000, 1000])[:, None, None]
    )


def test_the_detector_never_changes_and_its_boxes_stay() -> None:
    recipe = small()
    learner = DeepSnakeLearner(recipe, TWO, {ENTRY: detector()}).train()
    assert not learner.network.detector.training
    image = torch.randint(0, 256, (1, 3, 96, 96), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    learner.network.detector.network.roi_heads.score_thresh = 0.0
    with torch.inference_mode():
        (found,) = learner.eval().network.detect(image)
        (theirs,) = detector_of(learner).detect(image)
    assert len(found.boxes) > 3
    torch.testing.assert_close(found.boxes, theirs.boxes)
    assert found.masks.shape == theirs.masks.shape
    assert not torch.equal(found.masks, theirs.masks)
    octagon = learner.network.deformed(*placed(learner, image, theirs))[0].shape
    assert octagon == (len(found.boxes), recipe.points, 2)


def detector_of(learner: DeepSnakeLearner) -> MaskRCNN:
    return learner.network.detector


def placed(
    learner: DeepSnakeLearner, image: torch.Tensor, found: object
) -> tuple[torch.Tensor, torch.Tensor, list[int]]:
    boxes = found.boxes  # type: ignore[attr-defined]
    corners = torch.cat([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], 1)
    maps, _ = learner.network.look(list(image))
    return maps, learner.network.find_extremes(maps, corners, [len(boxes)]), [len(boxes)]


def test_answers_at_the_size_of_the_picture_whatever_the_scale_that_it_looks_at() -> None:
    learner = DeepSnakeLearner(small(), TWO, {ENTRY: detector()}).eval()
    learner.network.detector.network.roi_heads.score_thresh = 0.0
    image = torch.randint(0, 256, (1, 3, 150, 200), dtype=torch.uint8, generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        (found,) = learner.network.detect(image)
    assert found.masks.shape == (len(found.boxes), 150, 200)
    for (left, top, width, height), mask in zip(found.boxes.tolist(), found.masks, strict=True):
        if width * height > 100:  # untrained, it answers with an octagon in the box
            rows, columns = mask.any(1).nonzero(), mask.any(0).nonzero()
            assert left - 3 <= columns.min() <= columns.max() <= left + width + 3
            assert top - 3 <= rows.min() <= rows.max() <= top + height + 3


def test_learns_outlines_and_draws_each_stage(datasets: Path, tmp_path: Path) -> None:
    recipe = small(steps=30, halved=())
    probe = FAMILY.training_set(recipe, Inputs(datasets=datasets))
    base = detector(cast(DetectionFacts, probe.facts))
    upstream = {ENTRY: Upstream(entry=ENTRY, predictor=base, digest="0" * 64)}
    losses: list[float] = []
    trained = train(
        FAMILY,
        recipe,
        Inputs(datasets=datasets, upstream=upstream),
        tmp_path,
        report=lambda progress: losses.append(progress.scalars["outline"]),
    )
    assert np.mean(losses[-8:]) < 0.95 * np.mean(losses[:8])
    picture = trained.learner.pictures()["contours"]
    assert picture.shape[1] == 288 * (1 + recipe.iterations)
    for name, value in base.state_dict().items():
        assert torch.equal(value, trained.learner.predictor().state_dict()[f"detector.{name}"]), name


def test_a_batch_holds_what_is_in_its_crops(datasets: Path) -> None:
    batch = FAMILY.training_set(small(light=0.0), Inputs(datasets=datasets))(3)
    assert batch["image"].shape == (2, 3, 96, 96)
    for count, boxes, outlines in zip(batch["count"].tolist(), batch["boxes"], batch["outline"], strict=True):
        assert count >= 1
        assert not boxes[count:].any()
        for box, outline in zip(boxes[:count], outlines[:count], strict=True):
            assert (outline.amin(0) - box[:2]).abs().max() < 3  # points are an outline's, a box its extremes'
            assert (outline.amax(0) - box[2:]).abs().max() < 3
            assert 0 <= box.min() <= box.max() <= 96


def test_numbers_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match=r"zoom.0\n  Input should be greater than 0"):
        small(zoom=(0, 1.5))
    with pytest.raises(ValueError, match=r"diamond\n  Input should be a multiple of 4"):
        small(diamond=42)


def test_the_papers_numbers() -> None:
    paper = FAMILY.recipe("paper")
    assert isinstance(paper, DeepSnakeRecipe)
    assert (paper.points, paper.diamond, paper.iterations, paper.width) == (128, 40, 3, 128)
    assert (paper.learning_rate, paper.weight_decay, paper.clip_value) == (1e-4, 5e-4, 40)
    assert paper.needs == ("mask-rcnn.cityscapes",)
    assert MASK_RCNN.entry(MASK_RCNN.recipe("cityscapes")) in paper.needs


@pytest.mark.slow
def test_the_paper_takes_two_steps_at_its_size(datasets: Path, tmp_path: Path) -> None:
    recipe = FAMILY.recipe("paper", dataset="collage-coco", detector="mask-rcnn.cityscapes", steps=2, batch_size=1)
    inputs = Inputs(datasets=datasets)
    facts = cast(DetectionFacts, FAMILY.training_set(recipe, inputs).facts)
    base = MASK_RCNN.learner(MASK_RCNN.recipe("cityscapes"), facts).predictor()
    upstream = {recipe.needs[0]: Upstream(entry=recipe.needs[0], predictor=base, digest="0" * 64)}
    train(FAMILY, recipe, Inputs(datasets=datasets, upstream=upstream), tmp_path)
