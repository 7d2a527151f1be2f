"""A protocol finds the scoring that made its number, and no other."""

import subprocess
import sys

import pytest

from zoo.scoring.protocols import SCORINGS, scoring


@pytest.mark.parametrize(
    ("protocol", "identity"),
    [
        ("collage-seg-val/miou@1", "miou@1"),
        ("otb-test/ope@1", "ope@1"),
        ("coco-val/coco@1", "coco@1"),
        ("coco-val/coco@2", "coco@2"),
        ("digits-test/accuracy@1", "accuracy@1"),
        ("digits-train/digit-classifier-fid@1:digit-classifier-0123abcd-n2000", "digit-classifier-fid@1"),
    ],
)
def test_by_id(protocol: str, identity: str) -> None:
    assert scoring(protocol).id == identity
    assert identity.rpartition("-")[2] in SCORINGS


@pytest.mark.parametrize("protocol", ["collage-seg-val/miou@2", "collage-seg-val", "", "x/@1"])
def test_an_unknown_counting_is_refused(protocol: str) -> None:
    with pytest.raises(ValueError, match="expected its scoring to be one of"):
        scoring(protocol)


def test_counting_needs_no_torch() -> None:
    """Neither ours nor what it imports: a verdict replays in a second."""
    ids = [f"x-val/{'space-' * (name == 'fid@1')}{name}" for name in SCORINGS]
    code = f"import sys; from zoo.scoring.protocols import scoring; [scoring(p) for p in {ids}]; "
    code += "sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
