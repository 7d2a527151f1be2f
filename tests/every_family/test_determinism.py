"""What a training step of each family calls that a GPU does not repeat exactly, as docs/gpu.md says."""

import re
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional

from tests.every_family.determinism import NO_KERNEL, ON_DEMAND, Called, documented
from tests.every_family.test_promises import Short
from zoo.catalogue import CATALOGUE

PAGE = Path(__file__).parent.parent.parent / "docs" / "gpu.md"
BLOCK = re.compile(r"(?<=<!-- determinism -->\n).*?(?=<!-- /determinism -->)", re.DOTALL)
HEAD = "| family | no deterministic kernel | deterministic if asked for |\n| --- | --- | --- |\n"


def rows() -> dict[str, str]:
    """The lines of the page's table, by family."""
    (block,) = BLOCK.findall(PAGE.read_text())
    return {line.split("|")[1].strip(): line for line in block.splitlines()[2:]}


def write(lines: dict[str, str]) -> None:
    ordered = "".join(f"{lines[name]}\n" for name in CATALOGUE if name in lines)
    PAGE.write_text(BLOCK.sub(lambda _: HEAD + ordered, PAGE.read_text()))


def test_the_lists_are_those_of_the_installed_torch() -> None:
    assert set(NO_KERNEL) == documented("throw")
    assert set(ON_DEMAND) == documented("act")


def test_calls_are_found_forwards_and_backwards() -> None:
    picture = torch.randn(1, 2, 4, 4, requires_grad=True)
    with Called() as called:
        larger = functional.interpolate(picture, scale_factor=2, mode="bilinear")
        functional.cross_entropy(larger, torch.zeros(1, 8, 8, dtype=torch.long)).backward()
        nn.MaxPool3d(2)(picture[None]).sum().backward()
        torch.arange(3).cumsum(0)
    assert called.without_kernel() == ["nll_loss2d_forward", "upsample_bilinear2d_backward"]
    assert called.on_demand() == ["max_pool3d_with_indices_backward"]


@pytest.mark.parametrize("name", CATALOGUE)
def test_the_page_says_what_a_step_calls(name: str, datasets: Path, request: pytest.FixtureRequest) -> None:
    short = Short(name, datasets)
    batches, learner = short.batches(), short.learner().train()
    with Called() as called:
        for step in range(learner.round):
            learner.step(batches(step))
    listed = (", ".join(f"`{op}`" for op in ops) for ops in (called.without_kernel(), called.on_demand()))
    line = f"| {name} | {' | '.join(listed)} |"
    if request.config.getoption("--accept"):
        write(rows() | {name: line})
        return
    assert rows().get(name) == line, "if this is meant, run pytest with --accept"


def test_the_page_has_no_other_families() -> None:
    assert set(rows()) <= set(CATALOGUE)
