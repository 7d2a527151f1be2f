"""Inception-v1 over space and time: a network for pictures whose filters got an extent in time (I3D).

Carreira and Zisserman, CVPR 2017, arXiv 1705.07750, figure 3 and section 2.4 ("paper" below); "code" is the authors'
i3d.py, github.com/deepmind/kinetics-i3d.
"""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

Branches = tuple[int, tuple[int, int], tuple[int, int], int]
MIXED: tuple[tuple[Branches, ...], ...] = (
    ((64, (96, 128), (16, 32), 32), (128, (128, 192), (32, 96), 64)),
    (
        (192, (96, 208), (16, 48), 64),
        (160, (112, 224), (24, 64), 64),
        (128, (128, 256), (24, 64), 64),
        (112, (144, 288), (32, 64), 64),
        (256, (160, 320), (32, 128), 128),
    ),
    ((256, (160, 320), (32, 128), 128), (384, (192, 384), (48, 128), 128)),
)
"""Channels of the branches of each module between two poolings: Szegedy et al. 2015, table 1; code, i3d.py."""


class Unit(nn.Module):
    """Convolution, batch normalisation with an offset that learns and a gain that does not, rectification.

    Padding is TensorFlow's "same": an odd one is more at the end.
    """

    def __init__(self, before: int, after: int, kernel: int, *, stride: int = 1, momentum: float) -> None:
        super().__init__()
        self.kernel, self.stride = (kernel,) * 3, (stride,) * 3
        padding = kernel // 2 if stride == 1 else 0
        self.conv = nn.Conv3d(before, after, kernel, stride=stride, padding=padding, bias=False)
        self.norm = nn.BatchNorm3d(after, eps=1e-3, momentum=momentum)  # Sonnet's default
        gain = self.norm.weight.detach()
        del self.norm.weight
        self.norm.register_buffer("weight", gain)  # Sonnet has none; a network that is inflated brings its own

    def forward(self, x: Float[Tensor, "n before t h w"]) -> Float[Tensor, "n after _t _h _w"]:
        padded = x if self.stride == (1, 1, 1) else _same(x, self.kernel, self.stride)
        return functional.relu(self.norm(self.conv(padded)), inplace=True)


class Pooling(nn.Module):
    """The largest value, with the padding that `Unit` has; nothing that comes here is below 0."""

    def __init__(self, kernel: tuple[int, int, int], stride: tuple[int, int, int]) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride

    def forward(self, x: Float[Tensor, "n c t h w"]) -> Float[Tensor, "n c _t _h _w"]:
        return functional.max_pool3d(_same(x, self.kernel, self.stride), self.kernel, self.stride)


class Mixed(nn.Module):
    """Four branches, side by side (Szegedy et al. 2015, figure 2b); the third has 3 x 3 x 3 filters as the second."""

    def __init__(self, before: int, widths: Branches, *, momentum: float) -> None:
        super().__init__()
        one, two, three, four = widths

        def unit(before: int, after: int, kernel: int) -> Unit:
            return Unit(before, after, kernel, momentum=momentum)

        self.branches = nn.ModuleList(
            (
                unit(before, one, 1),
                nn.Sequential(unit(before, two[0], 1), unit(*two, 3)),
                nn.Sequential(unit(before, three[0], 1), unit(*three, 3)),
                nn.Sequential(Pooling((3, 3, 3), (1, 1, 1)), unit(before, four, 1)),
            )
        )

    def forward(self, x: Float[Tensor, "n before t h w"]) -> Float[Tensor, "n after t h w"]:
        return torch.cat([branch(x) for branch in self.branches], dim=1)


class Inflated(nn.Module):
    """Inception-v1 over time (figure 3).

    Args:
        channels: 3 of colour, 2 of flow.
        thin: one in so many of the paper's channels.
    """

    def __init__(
        self, classes: int, *, channels: int = 3, thin: int = 1, bn_momentum: float = 1e-3, dropout: float = 0.5
    ) -> None:
        super().__init__()
        wide, last = 64 // thin, 192 // thin
        layers: list[nn.Module] = [
            Unit(channels, wide, 7, stride=2, momentum=bn_momentum),
            Pooling((1, 3, 3), (1, 2, 2)),
            Unit(wide, wide, 1, momentum=bn_momentum),
            Unit(wide, last, 3, momentum=bn_momentum),
            Pooling((1, 3, 3), (1, 2, 2)),
        ]
        for modules, side in zip(MIXED, (3, 2, 0), strict=True):
            for paper in modules:
                widths = _thinned(paper, thin)
                layers.append(Mixed(last, widths, momentum=bn_momentum))
                last = widths[0] + widths[1][1] + widths[2][1] + widths[3]
            layers += [Pooling((side,) * 3, (2, 2, 2))] if side else []
        self.trunk = nn.Sequential(*layers)
        self.dropout = nn.Dropout(dropout)
        self.scores = nn.Conv3d(last, classes, 1)

    def forward(self, x: Float[Tensor, "n channels t h w"]) -> Float[Tensor, "n classes"]:
        """Class scores before the softmax, averaged over time."""
        return self.scores_over_time(x).mean(dim=2)

    def scores_over_time(self, x: Float[Tensor, "n channels t h w"]) -> Float[Tensor, "n classes _t"]:
        """Those of every two neighbouring places in time, which are 8 frames apart."""
        places = self.trunk(x).mean(dim=(3, 4), keepdim=True)  # a GPU repeats this exactly, and no 3-D pooling
        pooled = (places[:, :, 1:] + places[:, :, :-1]) / 2 if places.shape[2] > 1 else places
        return self.scores(self.dropout(pooled)).flatten(2)

    def start_from(self, published: Mapping[str, Tensor]) -> None:
        """Inflate torchvision's GoogLeNet (section 2.4): a filter is repeated over time and divided by its extent, so
        that a still clip says what its picture does. Of flow, both directions start as the mean of the colours."""
        units = [unit for unit in self.trunk.modules() if isinstance(unit, Unit)]
        names = [name.removesuffix(".conv.weight") for name in published if name.endswith(".conv.weight")]
        trunk = [name for name in names if not name.startswith("aux")]
        with torch.no_grad():
            for unit, name in zip(units, trunk, strict=True):
                flat = published[f"{name}.conv.weight"]
                own = unit.conv.weight
                if flat.shape[1] != own.shape[1]:
                    flat = flat.mean(dim=1, keepdim=True).expand(-1, own.shape[1], -1, -1)
                own.copy_(flat[:, :, None].expand_as(own) / own.shape[2])
                for part in ("weight", "bias", "running_mean", "running_var"):
                    getattr(unit.norm, part).copy_(published[f"{name}.bn.{part}"])


def _thinned(widths: Branches, thin: int) -> Branches:
    one, two, three, four = widths
    return one // thin, (two[0] // thin, two[1] // thin), (three[0] // thin, three[1] // thin), four // thin


def _same(
    x: Float[Tensor, "n c t h w"], kernel: tuple[int, ...], stride: tuple[int, ...]
) -> Float[Tensor, "n c _t _h _w"]:
    """With as many zeros as TensorFlow's "same" adds; an odd one goes to the end."""
    padding: list[int] = []
    for length, extent, pace in zip(x.shape[:1:-1], kernel[::-1], stride[::-1], strict=True):
        missing = max((-(-length // pace) - 1) * pace + extent - length, 0)
        padding += [missing // 2, missing - missing // 2]
    return functional.pad(x, padding)
