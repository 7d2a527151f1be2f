"""Contours on pictures, a column for each stage of their deformation."""

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from jaxtyping import Float, UInt8
from torch import Tensor

from zoo.drawing.sheets import captioned, enlarged

PICTURES, SIDE, FINE = 3, 288, 8  # at most, least height in pixels, parts of a pixel that lines are placed by
INK = ((255, 196, 0), (0, 200, 255), (255, 80, 160), (120, 230, 90))


def stages(
    images: UInt8[Tensor, "n 3 h w"], contours: Sequence[Float[Tensor, "things points 2"]], counts: Sequence[int]
) -> Mapping[str, UInt8[np.ndarray, "_ _ 3"]]:
    """A row for each of the first pictures: its contours at first, and after each deformation.

    Args:
        contours: of all pictures' things, one after the other, at each stage.
        counts: things of each picture.
    """
    rows = []
    for i, image in enumerate(images[:PICTURES].permute(0, 2, 3, 1).cpu().numpy()):
        first = sum(counts[:i])
        things = [stage[first : first + counts[i]].float().cpu().numpy() for stage in contours]
        names = ["octagon", *(f"deformed {k} times" if k > 1 else "deformed once" for k in range(1, len(contours)))]
        sheets = [captioned(_drawn(image, each), name) for name, each in zip(names, things, strict=True)]
        rows.append(np.hstack(sheets))
    return {"contours": np.vstack(rows)}


def _drawn(image: UInt8[np.ndarray, "h w 3"], contours: Float[np.ndarray, "n points 2"]) -> UInt8[np.ndarray, "H W 3"]:
    canvas = np.ascontiguousarray(enlarged(image, height=SIDE))
    zoom = canvas.shape[0] / image.shape[0]
    for i, contour in enumerate(contours):
        corners = np.rint((contour * zoom - 0.5) * FINE).astype(np.int32)
        cv2.polylines(canvas, [corners], True, INK[i % len(INK)], 2, cv2.LINE_AA, int(np.log2(FINE)))
    return canvas
