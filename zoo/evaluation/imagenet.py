"""Benchmark for classifiers of large pictures: ImageNet's validation pictures, decoded as they are asked for."""

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from PIL import Image
from torch import Tensor

from zoo.contracts import Inputs, Picture
from zoo.data.imagenet import is_imagenet, open_imagenet
from zoo.drawing.classification import named
from zoo.drawing.sheets import spread
from zoo.evaluation.classification import Always, ClassificationBenchmark
from zoo.evaluation.stage import Stage
from zoo.scoring.metrics import CannotScore
from zoo.scoring.top_five import FIRST, TopFive
from zoo.scoring.units import Evaluated, Units
from zoo.tasks.classification import Classifier
from zoo.training.augmented import Augmented

AT_ONCE = 50
SHOWN = 40
MARGIN = 8 / 7  # 256 : 224, of the shorter side to the crop (github.com/facebookresearch/ConvNeXt, datasets.py)


class ImageNetBenchmark:
    """Top-1 and top-5 accuracy on one central crop of each picture, after its shorter side was brought to 8/7 of that
    by Pillow's bicubic filter."""

    def __init__(self, dataset: str, inputs: Inputs, *, crop: int) -> None:
        self.scoring, self.crop = TopFive(), crop
        self.shorter = round(crop * MARGIN)
        self.protocol = f"{dataset}-val/{self.scoring.id}:bicubic{self.shorter}-crop{crop}"
        folder = inputs.dataset(dataset)
        self.val = open_imagenet(folder, "val", cache=inputs.cache)
        self.majority = int(np.bincount(open_imagenet(folder, "train", cache=inputs.cache).labels).argmax())

    def evaluate(self, predictor: Classifier, stage: Stage) -> Evaluated:
        """The five likeliest classes of every picture.

        Raises:
            CannotScore: their probabilities are not finite.
            ValueError: a picture is damaged.
        """
        parts = stage.track(self._parts(), -(-len(self.val) // AT_ONCE))
        likeliest = torch.cat([self._likeliest(predictor.probabilities(part)) for part in parts])
        ids = np.array([name.decode() for name in self.val.names])
        return Evaluated(Units({"id": ids, "label": self.val.labels.astype(np.int64), "named": likeliest.numpy()}))

    def _likeliest(self, probabilities: Float[Tensor, "n classes"]) -> Int64[Tensor, "n first"]:
        if not probabilities.isfinite().all():
            raise CannotScore(f"{self.protocol}: expected finite class probabilities, got others. Look at the weights.")
        return probabilities.topk(min(FIRST, len(self.val.classes)), dim=1).indices

    def floor(self) -> tuple[str, Classifier]:
        """Always the most frequent class of the training split."""
        return "majority class", Always(self.majority, classes=len(self.val.classes))

    def pictures(self, model: Evaluated, _floor: Evaluated) -> Mapping[str, Picture]:
        """Some pictures, evenly over the split, with what they are and what they are taken for."""
        places = spread(len(self.val), SHOWN)
        images = torch.stack([self._picture(i) for i in places]).numpy()
        rows = model.units.rows
        return {"named": named(images, rows["label"][places], rows["named"][places, 0], self.val.classes)}

    def _parts(self) -> Iterator[UInt8[Tensor, "n 3 crop crop"]]:
        for start in range(0, len(self.val), AT_ONCE):
            stop = min(start + AT_ONCE, len(self.val))
            yield torch.stack([self._picture(i) for i in range(start, stop)])

    def _picture(self, i: int) -> UInt8[Tensor, "3 crop crop"]:
        return torch.from_numpy(central(self.val[i][0], shorter=self.shorter, crop=self.crop)).permute(2, 0, 1)


def central(image: UInt8[np.ndarray, "h w 3"], *, shorter: int, crop: int) -> UInt8[np.ndarray, "{crop} {crop} 3"]:
    """The middle of a picture whose shorter side was brought to a length."""
    height, width = image.shape[:2]
    size = width * shorter // min(height, width), height * shorter // min(height, width)
    resized = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC))
    top, left = round((resized.shape[0] - crop) / 2), round((resized.shape[1] - crop) / 2)
    return resized[top : top + crop, left : left + crop].copy()


def classification(recipe: Augmented, inputs: Inputs) -> ClassificationBenchmark | ImageNetBenchmark:
    """ImageNet's benchmark where the data are ImageNet's, else that of pictures of one size."""
    if is_imagenet(inputs.dataset(recipe.scored)):
        return ImageNetBenchmark(recipe.scored, inputs, crop=recipe.crop)
    return ClassificationBenchmark(recipe.scored, inputs)
