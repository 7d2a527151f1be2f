"""`zoo predict`: a registered model asked by its name, and what stands in the table, the JSON and the folder."""

import json
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from cli import predict
from registry.settings import Settings
from zoo.data.pictures import read_rgb

from .conftest import ENTRY


@pytest.fixture
def zoo(settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> typer.Typer:
    monkeypatch.setenv("ZOO_HOME", str(settings.home))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    app = typer.Typer()
    app.command()(predict.predict)
    return app


def pictures(*names: str) -> list[str]:
    for i, name in enumerate(names):
        Path(name).parent.mkdir(exist_ok=True)
        Image.fromarray(np.random.default_rng(i).integers(0, 256, (8, 8), dtype=np.uint8)).save(name)
    return list(names)


def test_a_registered_model_answers_by_its_name(zoo: typer.Typer, registered: str, settings: Settings) -> None:
    given = pictures("a/one.png", "a/two.png", "b/one.png")
    assert registered == f"{ENTRY}/1"
    answer = CliRunner().invoke(zoo, [registered, *given, "-o", "out"])
    assert answer.exit_code == 0, answer.exception
    lines = answer.stdout.splitlines()
    assert lines[0].split() == ["input", "class", "probability", "then"]
    assert [line.split()[0] for line in lines[2:5]] == ["one", "two", "one"]
    assert all(len(line) <= 80 for line in lines)
    assert (settings.home / "pulled" / ENTRY / "1" / "manifest.json").is_file()

    told = json.loads(CliRunner().invoke(zoo, [registered, "a", "b", "-o", "out", "--json"]).stdout)
    assert [row["picture"] for row in told] == ["out/one.png", "out/two.png", "out/one-2.png"]
    assert sorted(path.name for path in Path("out").iterdir()) == ["one-2.png", "one.png", "two.png"]
    for row, line in zip(told, lines[2:5], strict=True):
        assert set(row["probabilities"]) == set("0123456789")
        assert line.split()[1] == row["class"] == max(row["probabilities"], key=row["probabilities"].get)
        assert read_rgb(Path(row["picture"])).shape[2] == 3


def test_a_mistake_is_a_line(zoo: typer.Typer, registered: str) -> None:
    for words, said in (
        (["cnn.digits", "a.png"], "no entry 'cnn.digits' in the registry"),
        ([registered, "a.png"], "a.png: expected a picture, but there is no such file."),
        ([registered, "film.mp4"], "digit-classifier takes pictures, or folders of them; got a video, film.mp4."),
        ([registered, "a.png", "--box", "1,2,3"], "--box 1,2,3: expected LEFT,TOP,WIDTH,HEIGHT in pixels"),
    ):
        error = CliRunner().invoke(zoo, words).exception
        assert isinstance(error, ValueError)
        assert said in str(error)
        assert "\n" not in str(error)
