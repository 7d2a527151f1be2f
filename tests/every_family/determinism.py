"""Which operations of a training step a GPU does not repeat to the last bit, by what PyTorch's documentation lists.

The lists are those of `torch.use_deterministic_algorithms` (docs.pytorch.org, and the docstring of the installed torch,
which a test compares with them), without what concerns other devices only. What is said there of a layer "when
attempting to differentiate" is its backward operation here. Of NLLLoss the two-dimensional kernel is meant: it alone
raises the alarm (PyTorch, test/test_torch.py, test_nondeterministic_alert_NLLLoss). torchvision documents nothing, but
its kernel raises the same alarm (torchvision/csrc/ops/cuda/roi_align_kernel.cu).
"""

import inspect
import re
from collections.abc import Mapping
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

_BACKWARD = "when attempting to differentiate a CUDA tensor"
_MODES = "and one of the following modes is used: - linear - bilinear - bicubic - trilinear"

NO_KERNEL: Mapping[str, tuple[str, ...]] = {
    f"torch.nn.AvgPool3d {_BACKWARD}": ("avg_pool3d_backward",),
    f"torch.nn.AdaptiveAvgPool2d {_BACKWARD}": ("_adaptive_avg_pool2d_backward",),
    f"torch.nn.AdaptiveAvgPool3d {_BACKWARD}": ("_adaptive_avg_pool3d_backward",),
    f"torch.nn.AdaptiveMaxPool2d {_BACKWARD}": ("adaptive_max_pool2d_backward",),
    f"torch.nn.FractionalMaxPool2d {_BACKWARD}": ("fractional_max_pool2d_backward",),
    f"torch.nn.FractionalMaxPool3d {_BACKWARD}": ("fractional_max_pool3d_backward",),
    "torch.nn.MaxUnpool1d": ("max_unpool2d",),  # which it calls
    "torch.nn.MaxUnpool2d": ("max_unpool2d",),
    "torch.nn.MaxUnpool3d": ("max_unpool3d",),
    f"torch.nn.functional.interpolate {_BACKWARD} {_MODES}": (
        *("upsample_linear1d_backward", "upsample_trilinear3d_backward"),
        *("upsample_bilinear2d_backward", "_upsample_bilinear2d_aa_backward"),
        *("upsample_bicubic2d_backward", "_upsample_bicubic2d_aa_backward"),
    ),
    f"torch.nn.ReflectionPad1d {_BACKWARD}": ("reflection_pad1d_backward",),
    f"torch.nn.ReflectionPad2d {_BACKWARD}": ("reflection_pad2d_backward",),
    f"torch.nn.ReflectionPad3d {_BACKWARD}": ("reflection_pad3d_backward",),
    "torch.nn.NLLLoss when called on a CUDA tensor": ("nll_loss2d_forward",),
    f"torch.nn.CTCLoss {_BACKWARD}": ("_ctc_loss_backward",),
    f"torch.nn.EmbeddingBag {_BACKWARD} when mode='max'": ("_embedding_bag_backward",),
    "torch.Tensor.put_ when accumulate=False": ("put", "put_"),
    "torch.Tensor.put_ when accumulate=True and called on a CUDA tensor": ("put", "put_"),
    "torch.histc when called on a CUDA tensor": ("histc",),
    "torch.bincount when called on a CUDA tensor and weights tensor is given": ("bincount",),
    "torch.median with indices output when called on a CUDA tensor": ("median.dim",),
    f"torch.nn.functional.grid_sample {_BACKWARD}": ("grid_sampler_2d_backward", "grid_sampler_3d_backward"),
    "torch.Tensor.scatter_reduce when called on CUDA or MPS tensor": ("scatter_reduce.two", "scatter_reduce_.two"),
}
"""Points of the documentation, and the operations that they are about: an error once determinism is asked for."""

ON_DEMAND: Mapping[str, tuple[str, ...]] = {
    # The loop asks cuDNN for deterministic convolutions.
    **{f"torch.nn.Conv{dimensions}d when called on CUDA tensor": () for dimensions in (1, 2, 3)},
    **{f"torch.nn.ConvTranspose{dimensions}d when called on CUDA tensor": () for dimensions in (1, 2, 3)},
    **{f"torch.nn.ReplicationPad{n}d {_BACKWARD}": (f"replication_pad{n}d_backward",) for n in (1, 2, 3)},
    "torch.bmm when called on sparse-dense CUDA tensors": (),  # nothing here is sparse
    "torch.cumsum when called on a CUDA tensor when dtype is floating point or complex": ("cumsum", "cumsum_"),
    "torch.Tensor.index_put with accumulate=False": ("index_put", "index_put_"),
    "torch.Tensor.scatter_add_ when called on a CUDA tensor": ("scatter_add", "scatter_add_"),
    "torch.gather when called on a CUDA tensor that requires grad": (),  # backward: scatter_add
    "torch.index_add when called on CUDA tensor": ("index_add", "index_add_"),
    f"torch.index_select {_BACKWARD}": (),  # backward: index_add
    f"torch.repeat_interleave {_BACKWARD}": (),  # the same
    "torch.Tensor.index_copy when called on a CPU or CUDA tensor": ("index_copy", "index_copy_"),
    "torch.Tensor.scatter when src type is Tensor and called on CUDA tensor": ("scatter.src", "scatter_.src"),
    "torch.Tensor.scatter_reduce when reduce='sum' or reduce='mean' and called on CUDA tensor": (),  # in both lists
    f"torch.nn.MaxPool3d {_BACKWARD}": ("max_pool3d_with_indices_backward",),
    f"torch.nn.Embedding {_BACKWARD}": ("embedding_dense_backward",),
}
"""The same of operations that have a deterministic form, which is taken once determinism is asked for."""

UNDOCUMENTED = ("_roi_align_backward",)


def documented(heading: str) -> set[str]:
    """The points of one of the docstring's lists that concern CUDA, without markup."""
    text = inspect.getdoc(torch.use_deterministic_algorithms) or ""
    parts = re.split(r"The following normally-nondeterministic operations will|In addition, several operations", text)
    (section,) = (part for part in parts if part.strip().startswith(heading))
    points = re.split(r"\n +\* ", section)[1:]
    plain = (re.sub(r":\w+:`([^`]*)`", r"\1", " ".join(point.split())).replace("`", "") for point in points)
    return {point for point in plain if "CUDA" in point or not re.search("MPS|CPU|quantized", point)}


class Called(TorchDispatchMode):
    """Remembers what is called inside it, backward passes included, with and without the overload's name."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def __torch_dispatch__(self, func: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func._schema.name.split("::")[1]
        if _concerned(name, args):
            self.names |= {name, f"{name}.{func._schema.overload_name}"}
        return func(*args, **kwargs or {})

    def without_kernel(self) -> list[str]:
        """Those that no deterministic kernel exists for."""
        return sorted(self.names & {*UNDOCUMENTED, *(name for names in NO_KERNEL.values() for name in names)})

    def on_demand(self) -> list[str]:
        """Those that are deterministic if that is asked for."""
        return sorted(self.names & {name for names in ON_DEMAND.values() for name in names})


def _concerned(name: str, args: Any) -> bool:
    """Whether the lists mean an operation as it is called here."""
    if name in ("index_put", "index_put_"):
        return len(args) < 4 or not args[3]  # accumulating is listed for CPU and MPS only
    if name in ("cumsum", "cumsum_"):
        return bool(args[0].is_floating_point())
    return name != "bincount" or len(args) > 1
