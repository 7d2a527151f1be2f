"""Closed contours of a fixed number of points, in pixels: where an outline starts from, and what it is to become.

All run one way round: top, left, bottom, right as one looks at a picture, whose y points down.
"""

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, Float32
from torch import Tensor
from torch.nn import functional

NEAR = 0.02  # of a contour's extent: what lies that near to its edge is extreme (code, snake_voc_utils.py)
LEAST_AREA = 5.0  # of a part, in pixels; smaller ones are dropped (code, snake_voc_utils.py)
REACH = 1 / 8  # of a box's side, to either side of an extreme point: an edge of the octagon (section 3.2)

Points = Float32[np.ndarray, "_ 2"]


def diamonds(boxes: Float[Tensor, "n 4"]) -> Float[Tensor, "n 4 2"]:
    """The middles of each box's edges.

    Args:
        boxes: left, top, right, bottom.
    """
    left, top, right, bottom = boxes.unbind(-1)
    x, y = (left + right) / 2, (top + bottom) / 2
    edges = [torch.stack(point, -1) for point in ((x, top), (left, y), (x, bottom), (right, y))]
    return torch.stack(edges, 1)


def octagons(extremes: Float[Tensor, "n 4 2"]) -> Float[Tensor, "n 12 2"]:
    """Through each extreme point a stretch of a quarter of the box's side, cut off at the box (section 3.2).

    Starts with the topmost point and ends where its stretch begins.
    """
    low, high = extremes.amin(1), extremes.amax(1)
    reach = (high - low) * REACH
    along = extremes.new_tensor([[-1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, -1.0]])  # on from top, left, bottom, right
    steps = along * reach[:, None]
    corners = torch.stack([extremes - steps, extremes, extremes + steps], 2).flatten(1, 2)
    return torch.minimum(torch.maximum(corners, low[:, None]), high[:, None]).roll(-1, 1)


def resampled(polygons: Float[Tensor, "n corners 2"], count: int) -> Float[Tensor, "n count 2"]:
    """So many points at equal distances along each closed polygon, the first where the polygon starts."""
    closed = torch.cat([polygons, polygons[:, :1]], 1)
    walked = functional.pad((closed[:, 1:] - closed[:, :-1]).norm(dim=-1).cumsum(1), (1, 0))
    wanted = walked[:, -1:] * torch.arange(count, device=polygons.device) / count
    after = torch.searchsorted(walked, wanted.contiguous(), right=True).clamp(1, polygons.shape[1])
    begin, end = walked.gather(1, after - 1), walked.gather(1, after)
    share = ((wanted - begin) / (end - begin).clamp(min=1e-6))[..., None]
    index = after[..., None].expand(-1, -1, 2)
    return closed.gather(1, index - 1).lerp(closed.gather(1, index), share)


def parts(mask: Bool[np.ndarray, "h w"]) -> list[Points]:
    """The outlines of a thing's parts, each turned the way contours run; what is too small is left out."""
    # OpenCV's contours go through the middles of outermost pixels, here of pixels of half the size.
    fine = np.repeat(np.repeat(mask.astype(np.uint8), 2, axis=0), 2, axis=1)
    found, _ = cv2.findContours(fine, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    outlines = [(contour[:, 0].astype(np.float32) + 0.5) / 2 for contour in found if len(contour) > 2]
    return [turned(outline) for outline in outlines if abs(area(outline)) >= LEAST_AREA]


def area(polygon: Points) -> float:
    """Positive for the way that contours run, in square pixels."""
    x, y = polygon.T.astype(np.float64)
    return float((y * np.roll(x, -1) - x * np.roll(y, -1)).sum() / 2)


def turned(polygon: Points) -> Points:
    """The polygon, run through the way contours do."""
    return polygon if area(polygon) >= 0 else np.ascontiguousarray(polygon[::-1])


def extreme_points(polygon: Points) -> Float32[np.ndarray, "4 2"]:
    """Top, left, bottom and right: at each edge the middle of all points within 2 % of the extent."""
    low, high = polygon.min(0), polygon.max(0)
    slack = NEAR * (high - low)
    found = []
    for axis, edge in ((1, low), (0, low), (1, high), (0, high)):
        near = polygon[np.abs(polygon[:, axis] - edge[axis]) <= slack[axis], 1 - axis]
        point = np.empty(2, np.float32)
        point[axis], point[1 - axis] = edge[axis], (near.min() + near.max()) / 2
        found.append(point)
    return np.stack(found)


def matched(outline: Points, start: Float32[np.ndarray, "2"], count: int) -> Float32[np.ndarray, "count 2"]:
    """The outline as so many points at equal distances, the first of them as near to `start` as any."""
    nearest = int(((outline - start) ** 2).sum(1).argmin())
    rolled = torch.from_numpy(np.roll(outline, -nearest, axis=0))
    return resampled(rolled[None], count)[0].numpy()


def described(outlines: Sequence[Points], count: int, *, room: int) -> dict[str, Float32[np.ndarray, "room ..."]]:
    """Of each outline `boxes` (4: left, top, right, bottom), `extremes` (4 2) and `outline` (count 2), which starts by
    the octagon's first point; zero where there is room for more."""
    extremes = np.stack([extreme_points(outline) for outline in outlines])
    starts = octagons(torch.from_numpy(extremes))[:, 0].numpy()
    points = np.stack([matched(outline, start, count) for outline, start in zip(outlines, starts, strict=True)])
    boxes = np.concatenate([extremes.min(1), extremes.max(1)], axis=1)
    named = {"boxes": boxes, "extremes": extremes, "outline": points}
    empty = (0, room - len(outlines))
    return {name: np.pad(each, (empty, *((0, 0),) * (each.ndim - 1))) for name, each in named.items()}
