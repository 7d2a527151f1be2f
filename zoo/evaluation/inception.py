"""The Inception network that published FID, IS and KID are made with, from a file of its weights.

torchvision's Inception-v3 with what differs in the TensorFlow graph of 2015 (`classify_image_graph_def.pb`): average
pooling that does not count its padding, maximum pooling in the last block, 1008 classes, pictures resized to 299 x 299
the way TensorFlow 1 did. Weights converted by M. Seitzer (pytorch-fid) under the Apache licence 2.0.
"""

import hashlib
from io import BytesIO
from pathlib import Path

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models.inception import Inception3, InceptionA, InceptionC, InceptionE

WEIGHTS = "pt_inception-2015-12-05-6726825d.pth"
SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
SIDE = 299  # pixels


def open_inception(folder: Path, *, sha256: str = SHA256) -> "FIDInception":
    """The network with the weights that lie in a folder.

    Raises:
        ValueError: the file is not there or is another one; the message says what to fetch.
    """
    path = folder / WEIGHTS
    if not path.is_file():
        raise ValueError(
            f"{path}: expected the weights of the FID Inception network, found none. Run `zoo data fetch "
            f"inception-fid`, or put {WEIGHTS} (github.com/mseitzer/pytorch-fid, release fid_weights) into a folder "
            "PATH and run `zoo data add inception-fid PATH`."
        )
    data = path.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise ValueError(f"{path}: expected a file of SHA-256 {sha256}, got {found}. It is damaged; fetch it again.")
    network = FIDInception(sha256)
    network.load_state_dict(torch.load(BytesIO(data), map_location="cpu", weights_only=True))
    return network


class FIDInception(Inception3):  # type: ignore[misc]
    """Pictures -> 2048 features, 1008 class probabilities. Implements `zoo.evaluation.sampling.FeatureSpace`.

    Args:
        digest: SHA-256 of the weights file: part of the protocol of numbers made with it.
    """

    def __init__(self, digest: str = "") -> None:
        super().__init__(num_classes=1008, aux_logits=False, init_weights=False)
        self.digest = digest
        self.Mixed_7c = _MaximumPooled(2048)
        for block in self.children():
            if isinstance(block, InceptionA | InceptionC | InceptionE) and block is not self.Mixed_7c:
                block.branch_pool.register_forward_pre_hook(_uncount_padding)

    def features(self, images: UInt8[Tensor, "n c h w"]) -> Float[Tensor, "n 2048"]:
        """The last average pooling of grey or RGB pictures, 0 to 255, of any size."""
        x = resized_as_tensorflow_1(images.to(self.fc.weight.dtype).expand(-1, 3, -1, -1), side=SIDE)
        x = (x - 128.0) / 128.0
        for layer in list(self.children())[:-2]:  # all but dropout and class scores
            x = layer(x)
        return x.flatten(1)

    def probabilities_of(self, features: Float[Tensor, "n 2048"]) -> Float[Tensor, "n 1008"]:
        """Of classes, without the bias: so the graph that published inception scores come from computes them."""
        return functional.linear(features, self.fc.weight).softmax(dim=1)

    def probabilities(self, images: UInt8[Tensor, "n c h w"]) -> Float[Tensor, "n 1008"]:
        return self.probabilities_of(self.features(images))


class _MaximumPooled(InceptionE):  # type: ignore[misc]
    """The last block; its pool takes the maximum."""

    def _forward(self, x: Tensor) -> list[Tensor]:
        branches: list[Tensor] = super()._forward(x)
        return [*branches[:-1], self.branch_pool(functional.max_pool2d(x, 3, stride=1, padding=1))]


def _uncount_padding(_module: nn.Module, inputs: tuple[Tensor]) -> Tensor:
    """3 x 3 averages over what lies inside the picture, from averages that count the padding as zeros."""
    (x,) = inputs
    inside = functional.avg_pool2d(torch.ones_like(x[:1, :1]), 3, stride=1, padding=1)
    return x / inside


def resized_as_tensorflow_1(x: Float[Tensor, "n c h w"], *, side: int) -> Float[Tensor, "n c side side"]:
    """Bilinear, with the top left pixels' centres aligned: `tf.image.resize_bilinear` before TensorFlow 2."""
    rows, columns = (_legacy_bilinear(size, side).to(x) for size in x.shape[-2:])
    return rows @ x @ columns.T


def _legacy_bilinear(size: int, side: int) -> Float[Tensor, "side size"]:
    source = torch.arange(side) * (torch.tensor(float(size)) / side)  # float32, as there
    low = source.long()
    share = (source - low)[:, None]
    identity = torch.eye(size)
    return (1 - share) * identity[low] + share * identity[(low + 1).clamp(max=size - 1)]
