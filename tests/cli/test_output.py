"""A table fits its terminal, or 80 columns in a pipe, and never breaks a word or shortens a number."""

import json
import re
from typing import Any

import pytest

from cli.output import interval, measured, print_table

ROWS = [
    {
        "#": i,
        "entry": f"digit-classifier.collage-seg-with-a-long-name/{i}",
        "mIoU": "0.4372 ± 0.024",
        "floor": 0.08312,
        "why": "not proven better than champion digit-classifier.digits/12: accuracy gain +0.01 over 200 units",
        "verdict": "PROMOTE",
        "registered": "2026-01-02 03:04",
    }
    for i in (9, 10)
]


def shown(capsys: pytest.CaptureFixture[str], rows: list[dict[str, Any]], **how: Any) -> list[str]:
    print_table(rows, **how)
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("width", [60, 80, 100, 140, 300])
def test_it_fits_and_no_word_is_broken(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    lines = shown(capsys, ROWS, title="a board of words " * 9, spare=("registered", "verdict"))
    assert max(map(len, lines)) <= width
    known = {word for row in ROWS for cell in (*row, *row.values()) for word in str(cell).split()}
    known |= {"a", "board", "of", "words", "-"} | {f"{row['floor']:.4g}" for row in ROWS}
    for word in " ".join(lines).split():
        whole = word in known or set(word) == {"─"}
        assert whole or (word.endswith("…") and any(k.startswith(word[:-1]) for k in known)), word
    assert ("registered" in " ".join(lines)) == (width >= 140)


def test_in_a_pipe_it_has_eighty_columns(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    lines = shown(capsys, ROWS, spare=("registered", "verdict"))
    assert 70 < max(map(len, lines)) <= 80


def test_names_are_shortened_last_and_numbers_never(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    rows = [{"entry": "a" * 50, "value": 0.123456, "count": 123456789}]
    text = "\n".join(shown(capsys, rows))
    assert re.search(r"^a+…  ", text, re.MULTILINE)
    assert "0.1235" in text
    assert "123456789" in text


def test_rows_may_lack_what_others_have(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = shown(capsys, [{"version": 1, "EPE": 2.5}, {"version": 2, "Fl": 0.25}])
    assert [line.split() for line in lines if line] == [
        ["version", "EPE", "Fl"],
        [lines[1]],
        ["1", "2.5", "-"],
        ["2", "-", "0.25"],
    ]
    assert lines[0].index("EPE") + 3 == lines[2].index("2.5") + 3  # numbers stand under one another, to the right


def test_lines_in_a_cell_stay_lines(capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown(capsys, [{"recipe": "needs", "mini": "siamfc.a\nraft.b"}, {"recipe": "steps", "mini": 5}])
    assert [line.split() for line in lines[2:5]] == [["needs", "siamfc.a"], ["raft.b"], ["steps", "5"]]


def test_json_has_everything(capsys: pytest.CaptureFixture[str]) -> None:
    assert json.loads("\n".join(shown(capsys, ROWS, as_json=True, spare=("verdict",)))) == ROWS
    assert shown(capsys, [], as_json=True) == ["[]"]
    assert shown(capsys, []) == []


def test_how_uncertain_numbers_look() -> None:
    assert measured(0.43721, 0.0243) == "0.4372 ± 0.024"
    assert measured(0.43721, None) == "0.4372"
    assert interval((0.4, 0.47219)) == "[0.4, 0.4722]"
    assert interval(None) is None
