"""Weights that were trained again beside the registered ones: to the bit on the CPU, to a tolerance on a GPU."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from flows.reproduction import TOLERANCE, compare, farthest

Writing = Callable[[str, dict[str, Tensor]], Path]


@pytest.fixture
def write(tmp_path: Path) -> Writing:
    def written(name: str, weights: dict[str, Tensor]) -> Path:
        save_file(weights, tmp_path / name)
        return tmp_path / name

    return written


def weights(seed: int = 0) -> dict[str, Tensor]:
    """Of a small network with integers, small numbers and zeros among its tensors."""
    torch.manual_seed(seed)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 2, dtype=torch.bfloat16))
    state = {name: value.detach().clone() for name, value in network.state_dict().items()}
    return state | {"1.running_mean": torch.full((4,), 1e-6)}


def rounded(state: dict[str, Tensor], share: float) -> dict[str, Tensor]:
    """Each tensor moved by this share of its length, in one direction or the other."""
    return {name: value * (1 + share) if value.is_floating_point() else value for name, value in state.items()}


def test_the_same_bits_are_the_same_anywhere(write: Writing) -> None:
    files = write("one", weights()), write("two", weights())
    assert {compare(*files, device=device) for device in ("cpu", "cuda", "cuda:1")} == {"bit for bit"}


def test_on_the_cpu_the_last_bit_counts(write: Writing) -> None:
    again = weights()
    again["0.bias"][1] = torch.nextafter(again["0.bias"][1], torch.tensor(9.0))
    files = write("one", weights()), write("two", again)
    with pytest.raises(ValueError, match=r"SHA-256 [0-9a-f]{12}, not [0-9a-f]{12}"):
        compare(*files, device="cpu")
    assert compare(*files, device="cuda").startswith("within ")


def test_on_a_gpu_every_tensor_may_be_off_by_the_tolerance(write: Writing) -> None:
    registered = write("one", weights())
    near = write("near", rounded(weights(), 0.9 * TOLERANCE))
    assert compare(registered, near, device="cuda") == "within 0.09 of each tensor's length (on a GPU 0.1 may be)"
    far = weights()
    far["1.running_mean"] += 0.2e-6  # next to nothing beside all other weights
    with pytest.raises(ValueError, match=r"1.running_mean is 0.2 of its length away, more than the 0.1"):
        compare(registered, write("far", far), device="cuda:0")
    with pytest.raises(ValueError, match="of its length away"):
        compare(registered, write("seed", weights(seed=1)), device="cuda")


def test_the_farthest_tensor_by_hand(write: Writing) -> None:
    old = {"a": torch.tensor([3.0, 4.0]), "b": torch.tensor([10.0])}
    new = {"a": torch.tensor([3.0, 4.5]), "b": torch.tensor([10.5])}
    assert farthest(write("old", old), write("new", new)) == (0.1, "a")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (torch.zeros(2), torch.tensor([0.0, 1e-9])),  # of no length
        (torch.ones(2), torch.tensor([1.0, torch.nan])),
        (torch.tensor(3), torch.tensor(4)),  # batches counted
    ],
)
def test_what_is_far_by_any_measure(write: Writing, old: Tensor, new: Tensor) -> None:
    with pytest.raises(ValueError, match=r"it is .* of its length away"):
        compare(write("old", {"it": old}), write("new", {"it": new}), device="cuda")


@pytest.mark.parametrize("other", [{"a": torch.ones(3)}, {"a": torch.ones(2).double()}, {"b": torch.ones(2)}])
def test_tensors_of_another_kind_are_named(write: Writing, other: dict[str, Tensor]) -> None:
    with pytest.raises(ValueError, match=r"tensors of other names, types or shapes: a"):
        compare(write("old", {"a": torch.ones(2)}), write("new", other), device="cuda")
