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
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
from jaxtyping import Bool, Float, Float64, Int64
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from zoo.scoring.metrics import Metric
from zoo.scoring.units import Array, Units

DETECTIONS = 100  # counted a picture
OVERLAPS = 10
WAYS = {"mask": "segm", "box": "bbox"}  # ours: COCO's name


def _share(name: str) -> Metric:
    return Metric(name=name, unit="", higher_is_better=True, lowest=0.0, highest=1.0)


@dataclass(frozen=True)
class CocoAP:
    """Average precision of masks and boxes, over all overlaps and at 0.50 and 0.75.

    Rows, of a picture each: `image` its id; `truths` (n, classes) int64, things of each class without crowds; and of
    its detections, most certain first: `class` and `score`, `box` (left, top, width, height of one after the other),
    `rle` (COCO's compressed strings as bytes, divided by spaces), and for box and mask `*_matched` and `*_ignored`,
    whose bit t belongs to the t-th overlap.

    Detections of one score are sorted by their pictures' ids, as COCO's own code does. `coco@1` kept the pictures as
    they were listed.
    """

    id: str = "coco@2"
    by_image_id: bool = True
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
        order = np.argsort(units.rows["image"], kind="stable") if self.by_image_id else np.arange(len(units))
        rows = {name: column[order] for name, column in units.rows.items()}
        times = np.ones(len(units), np.int64) if counts is None else counts[order]
        if not (times @ rows["truths"]).any():
            raise ValueError("AP: expected things that are no crowd, got none. Look at the split's annotations.")
        values = {}
        for way in WAYS if counts is None else ("mask",):
            precision = _precision(rows, way, times)
            for name, chosen in (("AP", precision), ("AP50", precision[:1]), ("AP75", precision[5:6])):
                values[f"{way}_{name}"] = float(chosen[chosen >= 0].mean())
        return values


def first_version() -> CocoAP:
    """`coco@1`: what is registered under it counts as it did."""
    return CocoAP(id="coco@1", by_image_id=False)


def _precision(
    rows: Mapping[str, Array], way: str, times: npt.NDArray[np.int64]
) -> Float64[np.ndarray, "overlaps recalls classes"]:
    """Precision at 101 recalls, -1 for classes that there is nothing of, by COCO's own accumulation.

    It is handed all pictures as one for each class, which is how it joins them itself.
    """
    repeated = np.repeat(times, [len(scores) for scores in rows["score"]])
    classes, scores, matched, ignored = (
        np.repeat(np.concatenate(rows[name]), repeated)
        for name in ("class", "score", f"{way}_matched", f"{way}_ignored")
    )
    counting = COCOeval(iouType=WAYS[way])
    counting.params.areaRng = counting.params.areaRng[:1]
    counting.params.imgIds, counting.params.maxDets = ["all"], [len(scores)]
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


@runtime_checkable
class Truth(Protocol):
    """The things in one picture, as `zoo.data.coco` reads them."""

    @property
    def boxes(self) -> Float64[np.ndarray, "n 4"]:
        """Left, top, width, height, in pixels."""
        ...

    @property
    def classes(self) -> Int64[np.ndarray, " n"]: ...

    @property
    def masks(self) -> Bool[np.ndarray, "n h w"]: ...

    @property
    def crowd(self) -> Bool[np.ndarray, " n"]: ...


class Found(NamedTuple):
    """What a detector said about one picture, most certain first, at most `DETECTIONS` things."""

    boxes: Float[np.ndarray, "k 4"]
    scores: Float[np.ndarray, " k"]
    classes: Int64[np.ndarray, " k"]
    masks: Bool[np.ndarray, "k h w"]


def matched(truth: Truth, found: Found) -> dict[str, npt.NDArray[Any]]:
    """The columns of one picture that belong to its detections."""
    rles = _encoded(found.masks)
    true = _listed(truth.boxes, truth.classes, _encoded(truth.masks), iscrowd=truth.crowd)
    said = _listed(found.boxes, found.classes, rles, score=found.scores)
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
    **more: npt.NDArray[Any],
) -> COCO:
    """The things of one picture as COCO's code keeps them, numbered from 1: it takes 0 for "none"."""
    listed = COCO()
    listed.dataset = {
        "images": [{"id": 0, "height": None, "width": None}],  # which only polygons would need
        "categories": [{"id": k} for k in np.unique(classes).tolist()],
        "annotations": [
            {
                "id": i + 1,
                "image_id": 0,
                "category_id": int(classes[i]),
                "bbox": boxes[i].tolist(),
                "segmentation": rle,
                "area": int(coco_mask.area(rle)),
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
