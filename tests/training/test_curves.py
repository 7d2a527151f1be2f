"""Curves of a run, rewound to a checkpoint."""

from pathlib import Path

from zoo.training import Curves


def test_rewinding_forgets_what_comes_after_and_what_was_cut_short(tmp_path: Path) -> None:
    curves = Curves(tmp_path / "curves.jsonl")
    for step in (10, 20, 30):
        curves.append(step, {"loss": 1 / step})
    whole = curves.path.read_text()
    curves.path.write_text(whole + '{"step": 4')
    curves.rewind(20)
    assert curves.path.read_text() == "".join(whole.splitlines(keepends=True)[:2])
