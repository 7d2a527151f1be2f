"""AP against cases worked by hand and another package on random detections."""

import contextlib
import io
from pathlib import Path

import faster_coco_eval
import numpy as np
import pytest
from faster_coco_eval import COCOeval_faster
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from zoo.data.coco import Instances
from zoo.scoring.detection import DETECTIONS, CocoAP, Found, matched
from zoo.scoring.protocols import scoring
from zoo.scoring.units import Units

SIDE = 20


def filled(boxes: np.ndarray) -> np.ndarray:
    y, x = np.mgrid[:SIDE, :SIDE]
    left, top, width, height = np.asarray(boxes).reshape(-1, 4).T[..., None, None]
    return (left <= x) & (x < left + width) & (top <= y) & (y < top + height)


def truth(*things: tuple[int, list[int]], crowd: tuple[bool, ...] | None = None) -> Instances:
    boxes = np.array([box for _, box in things], np.float64).reshape(-1, 4)
    classes = np.array([k for k, _ in things], np.int64)
    return Instances(boxes, classes, filled(boxes), np.array(crowd or [False] * len(things), bool))


def found(*things: tuple[int, float, list[int]]) -> Found:
    boxes = np.array([box for *_, box in things], np.float64).reshape(-1, 4)
    scores, classes = np.array([score for _, score, _ in things]), np.array([k for k, *_ in things], np.int64)
    return Found(boxes, scores, classes, filled(boxes))


def units(*pictures: tuple[Instances, Found], classes: int, ids: list[int] | None = None) -> Units:
    rows = [matched(*picture) for picture in pictures]
    truths = [np.bincount(true.classes[~true.crowd], minlength=classes) for true, _ in pictures]
    ragged = {name: np.fromiter((row[name] for row in rows), object, count=len(rows)) for name in rows[0]}
    return Units({"image": np.array(ids or range(len(rows))), "truths": np.stack(truths)} | ragged)


def test_a_case_worked_by_hand() -> None:
    """One of two things is found, at 10/12 overlap, after something that is not there."""
    picture = truth((0, [0, 0, 10, 10]), (0, [10, 10, 5, 5])), found((0, 0.9, [15, 0, 4, 4]), (0, 0.8, [0, 0, 12, 10]))
    values = CocoAP().aggregate(units(picture, classes=1))
    # Precision 1/2 up to recall 1/2: 51 of 101 recalls, at the overlaps 0.50 to 0.80.
    at_one = 51 / 101 / 2
    assert values["mask_AP50"] == values["mask_AP75"] == pytest.approx(at_one)
    assert values["box_AP"] == values["mask_AP"] == pytest.approx(0.7 * at_one)


def test_what_lies_on_a_crowd_counts_neither_way() -> None:
    true = truth((0, [0, 0, 4, 4]), (0, [8, 0, 12, 20]), crowd=(False, True))
    right, on_crowd = (0, 0.5, [0, 0, 4, 4]), [(0, 0.9, [9, y, 4, 4]) for y in (0, 6, 12)]
    assert CocoAP().aggregate(units((true, found(*on_crowd, right)), classes=1))["mask_AP"] == pytest.approx(1)
    elsewhere = (0, 0.9, [0, 10, 4, 4])
    assert CocoAP().aggregate(units((true, found(elsewhere, right)), classes=1))["mask_AP"] == pytest.approx(0.5)


def test_large_things_count_like_small_ones() -> None:
    """COCO's numbers for small, medium and large things are others."""
    masks = np.zeros((2, 120, 300), bool)
    masks[0, 2:12, 2:12] = masks[1, 10:110, 20:120] = True
    boxes = np.array([[2.0, 2.0, 10.0, 10.0], [20.0, 10.0, 100.0, 100.0]])
    classes = np.array([0, 0])
    true = Instances(boxes, classes, masks, np.zeros(2, bool))
    values = CocoAP().aggregate(units((true, Found(boxes, np.array([0.9, 0.8]), classes, masks)), classes=1))
    assert values == pytest.approx(dict.fromkeys(values, 1.0))
    half = Found(boxes[:1], np.array([0.9]), classes[:1], masks[:1])
    assert CocoAP().aggregate(units((true, half), classes=1))["mask_AP"] == pytest.approx(51 / 101)


def test_a_hundred_detections_of_a_picture_count() -> None:
    """Of 101 things, all found, the last one is not asked for."""
    boxes = [[x, y, 1, 1] for y in range(SIDE) for x in range(SIDE)][:101]
    true = truth(*((0, box) for box in boxes))
    said = found(*((0, 1 - i / 200, box) for i, box in enumerate(boxes)))
    assert DETECTIONS == 100
    values = CocoAP().aggregate(units((true, said), classes=1))
    assert values["box_AP"] == pytest.approx(100 / 101)  # precision 1 up to recall 100/101, the last but one of 101


def test_boxes_and_masks_are_told_apart() -> None:
    true, said = truth((0, [0, 0, 10, 10])), found((0, 1.0, [0, 0, 10, 10]))
    half = said._replace(masks=said.masks & (np.mgrid[:SIDE, :SIDE][0] < 6))
    values = CocoAP().aggregate(units((true, half), classes=1))
    assert values["box_AP"] == pytest.approx(1)
    assert (values["mask_AP50"], values["mask_AP75"]) == (pytest.approx(1), 0)


@pytest.mark.parametrize("seed", [0, 1])
def test_agrees_with_faster_coco_eval_on_random_detections(seed: int) -> None:
    """Shifted truth, false alarms, ties, several classes, crowds, pictures without truth and without detections."""
    rng = np.random.default_rng(seed)
    pictures = [random_picture(rng, things=n) for n in (6, 0, 9, 4, 1, 12, 7, 3)]
    pictures.append((pictures[0][0], found()))
    values = CocoAP().aggregate(units(*pictures, classes=4))
    for way, name in (("box", "bbox"), ("mask", "segm")):
        theirs = other_package(faster_coco_eval.COCO, COCOeval_faster, pictures, list(range(len(pictures))), name)
        ours = [values[f"{way}_{metric}"] for metric in ("AP", "AP50", "AP75")]
        assert ours == pytest.approx(theirs, abs=1e-9)
        assert 0.05 < ours[0] < 0.9


def random_picture(rng: np.random.Generator, *, things: int) -> tuple[Instances, Found]:
    boxes = np.concatenate([rng.integers(0, 12, (things, 2)), rng.integers(3, 9, (things, 2))], axis=1)
    classes, crowd = rng.integers(0, 3, things), rng.random(things) < 0.2  # of the fourth there is nothing
    true = truth(*zip(classes.tolist(), boxes.tolist(), strict=True), crowd=tuple(crowd.tolist()))
    shifted = np.concatenate([boxes + rng.integers(-1, 2, boxes.shape), rng.integers(1, 9, (5, 4))])
    said = [int(k) if rng.random() < 0.8 else 3 for k in [*classes, *rng.integers(0, 4, 5)]]
    scores = np.sort(rng.integers(1, 12, len(shifted)) / 12)[::-1]
    return true, found(*zip(said, scores.tolist(), shifted.tolist(), strict=True))


@pytest.mark.parametrize("seed", range(4))
def test_detections_of_one_score_are_sorted_as_coco_sorts_them(seed: int) -> None:
    """Listed in any order, scores that all tie: the order of the pictures' ids decides, as in COCO's own code."""
    rng = np.random.default_rng(seed)
    pictures = [
        (true, said._replace(scores=np.full(len(said.scores), 0.5)))
        for true, said in (random_picture(rng, things=n) for n in (6, 3, 9, 4, 1, 12))
    ]
    ids = rng.permutation(900)[: len(pictures)].tolist()
    listed = units(*pictures, classes=4, ids=ids)
    values = CocoAP().aggregate(listed)
    for way, name in (("box", "bbox"), ("mask", "segm")):
        theirs = other_package(COCO, COCOeval, pictures, ids, name)
        assert [values[f"{way}_{metric}"] for metric in ("AP", "AP50", "AP75")] == pytest.approx(theirs, abs=1e-12)
    as_listed = scoring("coco-val/coco@1").aggregate(listed)
    in_order = units(*(pictures[i] for i in np.argsort(ids)), classes=4)
    assert as_listed["box_AP"] != values["box_AP"] == scoring("coco-val/coco@1").aggregate(in_order)["box_AP"]


def test_counts_follow_their_pictures_into_the_order_of_ids() -> None:
    rng = np.random.default_rng(5)
    pictures = [random_picture(rng, things=6) for _ in range(3)]
    weighted = CocoAP().aggregate(units(*pictures, classes=4, ids=[7, 9, 3]), np.array([2, 0, 1]))
    whole = CocoAP().aggregate(units(pictures[2], pictures[0], pictures[0], classes=4))
    assert weighted == {name: whole[name] for name in ("mask_AP", "mask_AP50", "mask_AP75")}


def other_package(
    listing_type: type, counting_type: type, pictures: list[tuple[Instances, Found]], ids: list[int], name: str
) -> list[float]:
    """AP, AP50 and AP75 of the whole of it by another package, with polygons instead of run lengths."""
    listing: dict[str, list[dict[str, object]]] = {
        "images": [{"id": i, "height": SIDE, "width": SIDE} for i in ids],
        "categories": [{"id": k + 1, "name": str(k)} for k in range(4)],
        "annotations": [],
    }
    results = []
    for i, (true, said) in zip(ids, pictures, strict=True):
        for box, k, crowd in zip(true.boxes.tolist(), true.classes.tolist(), true.crowd.tolist(), strict=True):
            listing["annotations"].append(
                described(i, box, k)
                | {"id": len(listing["annotations"]) + 1, "iscrowd": int(crowd), "area": box[2] * box[3]}
            )
        for box, k, score in zip(said.boxes.tolist(), said.classes.tolist(), said.scores.tolist(), strict=True):
            results.append(described(i, box, k) | {"score": score})
    with contextlib.redirect_stdout(io.StringIO()):
        true_set = listing_type()
        true_set.dataset = listing
        true_set.createIndex()
        counting = counting_type(true_set, true_set.loadRes(results), name)
        counting.evaluate()
        counting.accumulate()
        counting.summarize()
    return [float(value) for value in counting.stats[:3]]


def described(image: int, box: list[float], k: int) -> dict[str, object]:
    left, top, width, height = box
    right, bottom = min(left + width, SIDE), min(top + height, SIDE)
    outline = [max(left, 0), max(top, 0), max(left, 0), bottom, right, bottom, right, max(top, 0)]
    return {"image_id": image, "category_id": k + 1, "bbox": box, "segmentation": [outline]}


def test_counts_are_the_same_as_repeated_pictures() -> None:
    rng = np.random.default_rng(3)
    pictures = [random_picture(rng, things=5) for _ in range(4)]
    counts = np.array([2, 0, 1, 3])
    repeated = [picture for picture, times in zip(pictures, counts, strict=True) for _ in range(times)]
    weighted = CocoAP().aggregate(units(*pictures, classes=4), counts)
    whole = CocoAP().aggregate(units(*repeated, classes=4))
    assert weighted == {name: whole[name] for name in ("mask_AP", "mask_AP50", "mask_AP75")}


def test_units_survive_a_file(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    kept = units(*(random_picture(rng, things=n) for n in (3, 0, 5)), (truth((1, [0, 0, 5, 5])), found()), classes=4)
    kept.write(tmp_path / "units.parquet")
    assert CocoAP().aggregate(Units.read(tmp_path / "units.parquet")) == CocoAP().aggregate(kept)


def test_nothing_found_is_zero_and_survives_a_file_too(tmp_path: Path) -> None:
    kept = units((truth((1, [0, 0, 5, 5])), found()), (truth(), found()), classes=2)
    kept.write(tmp_path / "units.parquet")
    values = CocoAP().aggregate(Units.read(tmp_path / "units.parquet"))
    assert values == CocoAP().aggregate(kept) == dict.fromkeys(values, 0.0)


def test_nothing_to_find_is_refused() -> None:
    with pytest.raises(ValueError, match="expected things that are no crowd, got none"):
        CocoAP().aggregate(units((truth((0, [0, 0, 5, 5]), crowd=(True,)), found()), classes=1))
