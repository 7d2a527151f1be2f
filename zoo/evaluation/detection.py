"""Average precision of boxes and masks, as COCO counts it: matched, sorted and averaged by COCO's own code.

Of each picture the 100 most certain detections are matched to the true things of their class, once for each of ten
overlaps (0.50, 0.55 ... 0.95), by box and by mask; what lies on a crowd counts neither way. Whether a detection was
matched depends on its picture alone, so that is kept, and a bootstrap needs no picture again.
Source: Lin et al. 2014; cocodataset.org/#detection-eval; the package pycocotools.
"""

from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
from jaxtyping import Bool, Float, Float64, Int64, UInt8
from PIL import Image, ImageDraw
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from zoo.data.coco import CocoSplit, Instances, open_coco
from zoo.evaluation.segmentation import voc_colours
from zoo.scoring.metrics import Metric
from zoo.scoring.units import Units

if TYPE_CHECKING:
    from torch import Tensor

    from zoo.contracts import Inputs, Picture
    from zoo.tasks import Detections, Detector

DETECTIONS = 100  # counted a picture
OVERLAPS = 10
WAYS = {"mask": "segm", "box": "bbox"}  # ours: COCO's name
CANDIDATES = 500  # boxes of a class that the floor is chosen among
PICTURES, SURE, SHOWN_SIDE = 4, 0.5, 288  # shown: pictures, detections from this score on, least longer side in pixels


def _share(name: str) -> Metric:
    return Metric(name=name, unit="", higher_is_better=True, lowest=0.0, highest=1.0)


@dataclass(frozen=True)
class CocoAP:
    """Average precision of masks and boxes, over all overlaps and at 0.50 and 0.75.

    Rows, of a picture each: `image` its id; `truths` (n, classes) int64, things of each class without crowds; and of
    its detections, most certain first: `class` and `score`, `box` (left, top, width, height of one after the other),
    `rle` (COCO's compressed strings as bytes, divided by spaces), and for box and mask `*_matched` and `*_ignored`,
    whose bit t belongs to the t-th overlap.
    """

    id: str = "coco@1"
    paired: bool = True
    metrics: tuple[Metric, ...] = (
        *(_share("mask_AP"), _share("mask_AP50"), _share("mask_AP75")),
        *(_share("box_AP"), _share("box_AP50"), _share("box_AP75")),
    )

    def aggregate(self, units: Units, counts: npt.NDArray[np.int64] | None = None) -> dict[str, float]:
        """Means over the classes that there are things of; under `counts` of masks alone, which a bootstrap ranks by.

        Raises:
            ValueError: there is nothing to find.
        """
        times = np.ones(len(units), np.int64) if counts is None else counts
        if not (times @ units.rows["truths"]).any():
            raise ValueError("AP: expected things that are no crowd, got none. Look at the split's annotations.")
        values = {}
        for way in WAYS if counts is None else ("mask",):
            precision = _precision(units, way, times)
            for name, chosen in (("AP", precision), ("AP50", precision[:1]), ("AP75", precision[5:6])):
                values[f"{way}_{name}"] = float(chosen[chosen >= 0].mean())
        return values


def _precision(units: Units, way: str, times: npt.NDArray[np.int64]) -> Float64[np.ndarray, "overlaps recalls classes"]:
    """Precision at 101 recalls, -1 for classes that there is nothing of, by COCO's own accumulation.

    It is handed all pictures as one for each class, which is how it joins them itself.
    """
    rows = units.rows
    repeated = np.repeat(times, [len(scores) for scores in rows["score"]])
    classes, scores, matched, ignored = (
        np.repeat(np.concatenate(rows[name]), repeated)
        for name in ("class", "score", f"{way}_matched", f"{way}_ignored")
    )
    counting = COCOeval(iouType=WAYS[way])
    counting.params.areaRng = counting.params.areaRng[:1]
    counting.params.imgIds, counting.params.maxDets = [0], [max(1, len(scores))]
    counting.params.catIds = list(range(rows["truths"].shape[1]))
    counting._paramsEval = counting.params  # those of the matching, which `evaluate` would keep
    counting.evalImgs = [
        {
            "dtScores": scores[classes == k],
            "dtMatches": _unpacked(matched[classes == k]),
            "dtIgnore": _unpacked(ignored[classes == k]),
            "gtIgnore": np.zeros(truths),
        }
        for k, truths in enumerate(times @ rows["truths"])
    ]
    with redirect_stdout(StringIO()):
        counting.accumulate()
    return np.asarray(counting.eval["precision"][..., 0, 0])


class Found(NamedTuple):
    """What a detector said about one picture, most certain first, at most `DETECTIONS` things."""

    boxes: Float[np.ndarray, "k 4"]
    scores: Float[np.ndarray, " k"]
    classes: Int64[np.ndarray, " k"]
    masks: Bool[np.ndarray, "k h w"]


def matched(truth: Instances, found: Found) -> dict[str, npt.NDArray[Any]]:
    """The columns of one picture that belong to its detections."""
    rles = _encoded(found.masks)
    true = _listed(truth.boxes, truth.classes, _encoded(truth.masks), shape=truth.masks.shape, iscrowd=truth.crowd)
    said = _listed(found.boxes, found.classes, rles, shape=truth.masks.shape, score=found.scores)
    columns: dict[str, npt.NDArray[Any]] = {
        "class": found.classes,
        "score": found.scores.astype(np.float64),
        "box": found.boxes.astype(np.float64).ravel(),
        "rle": np.frombuffer(b" ".join(rle["counts"] for rle in rles), np.uint8),
    }
    for way, name in WAYS.items():
        flags = np.zeros((2, OVERLAPS, len(found.scores)), bool)
        with redirect_stdout(StringIO()):
            counting = COCOeval(true, said, name)
            counting.params.areaRng = counting.params.areaRng[:1]
            counting.params.maxDets = [DETECTIONS]
            counting.evaluate()
        for of_class in filter(None, counting.evalImgs):
            at = np.array(of_class["dtIds"], np.int64) - 1
            flags[:, :, at] = of_class["dtMatches"] > 0, of_class["dtIgnore"]
        columns[f"{way}_matched"], columns[f"{way}_ignored"] = (_packed(part) for part in flags)
    return columns


def _listed(
    boxes: npt.NDArray[Any],
    classes: npt.NDArray[Any],
    rles: Sequence[Mapping[str, Any]],
    *,
    shape: tuple[int, ...],
    **more: npt.NDArray[Any],
) -> COCO:
    """The things of one picture as COCO's code keeps them, numbered from 1: it takes 0 for "none"."""
    listed = COCO()
    listed.dataset = {
        "images": [{"id": 0, "height": shape[1], "width": shape[2]}],
        "categories": [{"id": k} for k in np.unique(classes).tolist()],
        "annotations": [
            {
                "id": i + 1,
                "image_id": 0,
                "category_id": int(classes[i]),
                "bbox": boxes[i].tolist(),
                "segmentation": rle,
                "area": int(coco_mask.area(rle)),
                "iscrowd": 0,
                **{name: values[i].item() for name, values in more.items()},
            }
            for i, rle in enumerate(rles)
        ],
    }
    with redirect_stdout(StringIO()):
        listed.createIndex()
    return listed


def _encoded(masks: Bool[np.ndarray, "k h w"]) -> list[dict[str, Any]]:
    return [coco_mask.encode(np.asfortranarray(mask, np.uint8)) for mask in masks]


def _packed(flags: Bool[np.ndarray, "overlaps k"]) -> npt.NDArray[np.int64]:
    return np.asarray((flags.astype(np.int64) << np.arange(OVERLAPS)[:, None]).sum(0))


def _unpacked(bits: npt.NDArray[np.int64]) -> Bool[np.ndarray, "overlaps k"]:
    return (bits >> np.arange(OVERLAPS)[:, None] & 1).astype(bool)


class DetectionBenchmark:
    """Box and mask AP on the validation split, each picture by itself."""

    def __init__(self, dataset: str, inputs: "Inputs") -> None:
        self.scoring = CocoAP()
        self.protocol = f"{dataset}-val/{self.scoring.id}"
        self.train = open_coco(inputs.dataset(dataset), "train")
        self.val = open_coco(inputs.dataset(dataset), "val")

    def evaluate(self, predictor: "Detector") -> Units:
        """The detections in every picture, and which of them are right."""
        count = len(self.val.classes)
        truths, rows = [], []
        for i in range(len(self.val)):
            image, truth = self.val[i]
            truths.append(np.bincount(truth.classes[~truth.crowd], minlength=count))
            rows.append(matched(truth, found_in(image, predictor, classes=count, name=str(self.val.ids[i]))))
        ragged = {name: np.fromiter((row[name] for row in rows), object, count=len(rows)) for name in rows[0]}
        return Units({"image": np.array(self.val.ids), "truths": np.stack(truths)} | ragged)

    def floor(self) -> "tuple[str, Detector]":
        """In every picture the same box of each class, filled: of those in the training split the one that overlaps
        most others of its class by half, at the same part of their pictures; that share is its score. A detector that
        does not look can hardly have more right, and never knows in which pictures it has."""
        seen = [_relative_boxes(self.train, i) for i in range(len(self.train))]
        boxes, classes = (np.concatenate(part) for part in zip(*seen, strict=True))
        kinds = [k for k in range(len(self.train.classes)) if (classes == k).any()]
        best = [_most_typical(boxes[classes == k]) for k in kinds]
        order = np.argsort([-share for _, share in best], kind="stable")
        same = _SameEverywhere(
            np.stack([best[i][0] for i in order]),
            np.array([best[i][1] for i in order], np.float32),
            np.array([kinds[i] for i in order]),
        )
        return "one box a class, where it fits most", same

    def pictures(self, predictor: "Detector") -> "Mapping[str, Picture]":
        """Truth and sure detections side by side, for a few pictures spread over the split."""
        shown = np.linspace(0, len(self.val) - 1, num=min(PICTURES, len(self.val)), dtype=int)
        return {self.val.picture(i).stem: self._panel(i, predictor) for i in shown.tolist()}

    def _panel(self, i: int, predictor: "Detector") -> "Picture":
        names = self.val.classes
        image, truth = self.val[i]
        found = found_in(image, predictor, classes=len(names), name=str(self.val.ids[i]))
        sure = found.scores >= SURE
        true = [names[k] + " (crowd)" * int(crowd) for k, crowd in zip(truth.classes, truth.crowd, strict=True)]
        said = [f"{names[k]} {score:.2f}" for k, score in zip(found.classes[sure], found.scores[sure], strict=True)]
        sides = (
            drawn(image, truth.boxes, truth.masks, truth.classes, true),
            drawn(image, found.boxes[sure], found.masks[sure], found.classes[sure], said),
        )
        return np.concatenate(sides, axis=1)


def found_in(image: UInt8[np.ndarray, "h w 3"], predictor: "Detector", *, classes: int, name: str) -> Found:
    """What a detector says about a picture, checked.

    Args:
        name: of the picture, for the error.

    Raises:
        ValueError: a score or box is not finite, a class is none, or masks are not of the picture's size.
    """
    import torch

    batch = torch.from_numpy(image).permute(2, 0, 1)[None].contiguous()
    answer = predictor.detect(batch)[0]
    boxes, scores, labels, masks = (np.asarray(part.cpu().numpy()) for part in answer)
    if not (np.isfinite(boxes).all() and np.isfinite(scores).all()):
        raise ValueError(f"{name}: expected finite boxes and scores, got others. Look at the model's weights.")
    if len(labels) and not 0 <= labels.min() <= labels.max() < classes:
        raise ValueError(
            f"{name}: expected classes 0 to {classes - 1}, got {labels.min()} to {labels.max()}. "
            "Was the model trained on a data set with other classes?"
        )
    if masks.shape[1:] != image.shape[:2]:
        raise ValueError(
            f"{name}: expected masks of the picture's size {image.shape[:2]}, got {masks.shape[1:]}. "
            "A detector answers at the size of the picture it is given."
        )
    order = np.argsort(-scores, kind="stable")[:DETECTIONS]
    return Found(boxes[order], scores[order], labels[order], masks[order])


@dataclass(frozen=True)
class _SameEverywhere:
    """Finds the same things in every picture."""

    boxes: Float64[np.ndarray, "k 4"]  # in widths and heights of the picture
    scores: Float[np.ndarray, " k"]
    classes: Int64[np.ndarray, " k"]

    def detect(self, images: "Tensor") -> "list[Detections]":
        import torch

        from zoo.tasks import Detections

        height, width = images.shape[-2:]
        boxes = self.boxes * [width, height, width, height]
        left, top, right, bottom = np.rint([*boxes[:, :2].T, *(boxes[:, :2] + boxes[:, 2:]).T])[..., None, None]
        y, x = np.mgrid[:height, :width]
        masks = (left <= x) & (x < right) & (top <= y) & (y < bottom)
        parts = (boxes.astype(np.float32), self.scores, self.classes, masks)
        return [Detections(*(torch.from_numpy(part) for part in parts)) for _ in images]


def _relative_boxes(split: CocoSplit, i: int) -> tuple[Float64[np.ndarray, "n 4"], Int64[np.ndarray, " n"]]:
    """Boxes of a picture's things that are no crowd, in its widths and heights, and their classes."""
    boxes, classes = split.boxes(i)
    image = split.images[i]
    return boxes / [image.width, image.height, image.width, image.height], classes


def _most_typical(boxes: Float64[np.ndarray, "n 4"]) -> tuple[Float64[np.ndarray, "4"], float]:
    """Of these boxes the one that overlaps most others by half, and their share."""
    candidates = boxes[:: -(-len(boxes) // CANDIDATES)]
    overlaps = coco_mask.iou(candidates, boxes, np.zeros(len(boxes), np.uint8))
    shares = (np.asarray(overlaps) >= 0.5).mean(axis=1)
    best = int(shares.argmax())
    return candidates[best], float(shares[best])


def drawn(
    image: UInt8[np.ndarray, "h w 3"],
    boxes: npt.NDArray[Any],
    masks: Bool[np.ndarray, "k h w"],
    classes: npt.NDArray[Any],
    labels: Sequence[str],
) -> UInt8[np.ndarray, "H W 3"]:
    """A picture with things on it, small ones enlarged: masks in the colours of their classes, boxes, labels."""
    zoom = -(-SHOWN_SIDE // max(image.shape[:2])) if max(image.shape[:2]) < SHOWN_SIDE else 1
    size = (image.shape[1] * zoom, image.shape[0] * zoom)
    canvas = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
    colours = voc_colours()[classes + 1]
    for mask, colour in zip(masks, colours, strict=True):
        within = cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
        canvas[within] = canvas[within] // 2 + colour // 2
    sheet = Image.fromarray(canvas)
    draw = ImageDraw.Draw(sheet)
    for (left, top, width, height), colour, label in zip(boxes * zoom, colours, labels, strict=True):
        ink = tuple(colour.tolist())
        draw.rectangle((left, top, left + width - 1, top + height - 1), outline=ink, width=2)
        corner = (max(left, 0) + 2, max(top, 0) + 1)
        draw.rectangle(draw.textbbox(corner, label), fill="white")
        draw.text(corner, label, fill="black")
    return np.array(sheet)
