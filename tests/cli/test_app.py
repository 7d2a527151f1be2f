"""The command as a person runs it: quick answers, one-line errors, a model trained and scored again."""

import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import fmean, stdev

import pytest

from flows.datasets.commands import make
from registry.settings import Settings
from zoo.catalogue import CATALOGUE

HEAVY = ("torch", "prefect", "mlflow", "dvc")


def zoo(*words: str, project: Path) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if k not in ("ZOO_HOME", "MLFLOW_TRACKING_URI")}
    environment = kept | {"ZOO_PROJECT": str(project), "CUDA_VISIBLE_DEVICES": ""}
    script = "from cli.app import main; main()"
    return subprocess.run([sys.executable, "-c", script, *words], env=environment, capture_output=True, text=True)


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["list"],
        ["ls"],
        ["where"],
        ["show", "fcn8s"],
        ["leaderboard"],
        ["data", "ls"],
        ["night", "--help"],
        ["schedule", "--help"],
    ],
)
def test_answers_without_importing_what_is_heavy(words: list[str], tmp_path: Path) -> None:
    script = (
        "import sys, cli.app\n"
        f"sys.argv = ['zoo', *{words!r}]\n"
        "try:\n    cli.app.main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    environment = os.environ | {"ZOO_PROJECT": str(tmp_path)}
    ran = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr.splitlines()[-1] == "[]"


def test_list_names_every_family(tmp_path: Path) -> None:
    listed = json.loads(zoo("list", "--json", project=tmp_path).stdout)
    assert [row["family"] for row in listed] == list(CATALOGUE)
    only = json.loads(zoo("list", "tracking", "--json", project=tmp_path).stdout)
    assert {row["area"] for row in only} == {"tracking"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["show", "fcn9s"], "did you mean: fcn8s"),
        (["list", "nowhere"], "no area 'nowhere'; the areas are: "),
        (["pull", "siamfc.otb@champion", "x"], "no entry 'siamfc.otb' in the registry"),
        (["night", "--lineup", "none"], "no line-up 'none'; there are: quick"),
        (["train", "fcn8s", "--set", "steps"], "expected NAME=VALUE"),
        (["train", "fcn8s", "--over", "seed=0,"], "--over seed=0,: expected NAME=VALUE,VALUE,..."),
        (["evaluate", "nothing.here"], "no entry 'nothing.here' in the registry"),
    ],
)
def test_a_mistake_gets_one_clear_line(words: list[str], said: str, tmp_path: Path) -> None:
    ran = zoo(*words, project=tmp_path)
    assert ran.returncode == 1
    assert ran.stderr.startswith("zoo: ")
    assert said in ran.stderr
    assert len(ran.stderr.splitlines()) == 1


def test_a_model_by_hand_is_trained_once_scored_again_the_same_and_checked_before(tmp_path: Path) -> None:
    home = tmp_path / ".zoo"
    make(["digits"], Settings(tmp_path, home, f"sqlite:///{home / 'mlflow.db'}"))
    words = ("train", "digit-classifier", "--recipe", "smoke", "--set", "steps=20", "--json")
    first = zoo(*words, project=tmp_path)
    assert first.returncode == 0, first.stderr
    trained = json.loads(first.stdout)
    assert trained["steps"] == 20
    assert trained["score"]["metrics"]["accuracy"] > trained["floor"]["metrics"]["accuracy"]
    written = (Path(trained["folder"]) / "manifest.json").stat().st_mtime_ns
    assert json.loads(zoo(*words, project=tmp_path).stdout) == trained
    assert (Path(trained["folder"]) / "manifest.json").stat().st_mtime_ns == written

    again = zoo("evaluate", trained["folder"], "--json", project=tmp_path)
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["now"] == trained["score"]["metrics"]

    weights = Path(trained["folder"]) / "weights.safetensors"
    damaged = bytearray(weights.read_bytes())
    damaged[-1] ^= 1
    weights.write_bytes(damaged)
    refused = zoo("evaluate", trained["folder"], project=tmp_path)
    assert refused.returncode == 1
    assert "changed: weights.safetensors" in refused.stderr


@pytest.mark.slow
def test_one_command_for_three_splits_and_one_figure(tmp_path: Path) -> None:
    """Each is trained and scored on its own list; mean and deviation are those of the three."""
    home = tmp_path / ".zoo"
    make(["collage-action"], Settings(tmp_path, home, f"sqlite:///{home / 'mlflow.db'}"))
    words = ("train", "single-frame", "--recipe", "smoke", "--set", "steps=2", "--over", "split=1,2,3")
    ran = zoo(*words, "--json", project=tmp_path)
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    assert [(model["value"], model["protocol"]) for model in told["models"]] == [
        (f"split={split}", f"collage-action-test{split}/actions@1") for split in (1, 2, 3)
    ]
    values = [model["score"]["metrics"]["accuracy"] for model in told["models"]]
    mean, deviation = map(float, told["spread"]["accuracy"].split(" ± "))
    assert (mean, deviation) == pytest.approx((fmean(values), stdev(values)), abs=0.005)
    table = zoo(*words, project=tmp_path)
    assert "mean ± deviation" in table.stdout
    assert "split=3" in table.stdout


@pytest.mark.slow
def test_what_was_trained_by_hand_stands_on_the_boards_and_reigns_only_if_asked(tmp_path: Path) -> None:
    home = tmp_path / ".zoo"
    make(["digits"], Settings(tmp_path, home, f"sqlite:///{home / 'mlflow.db'}"))
    words = ("train", "digit-classifier", "--recipe", "smoke", "--set", "steps=20", "--json")
    by_hand = zoo(*words, "--register", project=tmp_path)
    assert by_hand.returncode == 0, by_hand.stderr
    trained = json.loads(by_hand.stdout)
    assert (trained["version"], trained["verdict"]) == ("digit-classifier.digits/1", None)
    (shown,) = json.loads(zoo("ls", "--json", project=tmp_path).stdout)
    assert (shown["recipe_name"], shown["recipe"]["steps"]) == ("smoke*", 20)
    assert (shown["champion"], shown["verdict"], shown["scores"]) == (False, None, trained["scores"])

    judged = json.loads(zoo(*words, "--challenge", project=tmp_path).stdout)
    assert (judged["version"], judged["verdict"]) == ("digit-classifier.digits/1", "PROMOTE")
    (shown,) = json.loads(zoo("ls", "--json", project=tmp_path).stdout)
    assert shown["champion"]

    renamed = zoo(*words, "--name", "short", "--register", project=tmp_path)
    assert renamed.returncode == 1
    assert "was trained before, as 'smoke*'" in renamed.stderr
    unchanged = zoo("train", "digit-classifier", "--set", "seed=1", "--name", "short", project=tmp_path)
    assert "only a recipe with changed numbers (--set) is named; this is 'mini'" in unchanged.stderr
    taken = zoo("train", "digit-classifier", "--set", "steps=5", "--name", "smoke", project=tmp_path)
    assert "has a recipe of that name" in taken.stderr
