"""`zoo doctor`: what is wrong with a registry, for people and for programs; mended where there is a whole copy."""

import json
import os
import shutil
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from cli.doctor import doctor
from flows.runs import run_folder
from registry import promotion, store
from registry.client import connect
from registry.glance import READY, read
from registry.leaderboard import leaderboard
from registry.settings import Settings
from zoo.artifact import verify

from .conftest import ENTRY, Making, identity_of

pytestmark = pytest.mark.timeout(900)


@pytest.fixture
def zoo(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> typer.Typer:
    monkeypatch.setenv("ZOO_HOME", str(settings.home))
    monkeypatch.setenv("ZOO_CACHE", str(settings.home / "cache"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    app = typer.Typer()
    app.command()(doctor)
    return app


def findings(zoo: typer.Typer, *words: str) -> tuple[int, list[tuple[str, str, str, bool]]]:
    answer = CliRunner().invoke(zoo, [*words, "--json"])
    told = json.loads(answer.stdout)
    assert told["well"] == (answer.exit_code == 0)
    return answer.exit_code, [(f["subject"], f["check"], f["what"], f["wrong"]) for f in told["findings"]]


def test_what_is_wrong_is_named_and_mended(zoo: typer.Typer, settings: Settings, make_model: Making) -> None:
    here = run_folder(settings, ENTRY, identity_of("a")) / "model-a"
    shutil.copytree(make_model("a"), here)
    version = store.register(here, settings)
    promotion.challenge(version, settings)
    status, found = findings(zoo, "--no-load")
    assert (status, found) == (0, [(f"{ENTRY}/1", "card", "it has none", False)])

    kept = store.fetch(version, settings, Path())
    (kept / "weights.safetensors").write_bytes(b"damaged")
    status, found = findings(zoo, "--no-load")
    assert status == 1
    assert (f"{ENTRY}/1", "bytes", "changed: weights.safetensors", True) in found
    repaired = CliRunner().invoke(zoo, ["--repair", "--no-load"], env={"COLUMNS": "80"})
    assert repaired.exit_code == 0
    assert "mended" in repaired.stdout
    assert max(map(len, repaired.stdout.splitlines())) <= 80
    assert verify(kept) == version.manifest

    record = json.loads(version.tags["record"])
    record["score"]["metrics"]["accuracy"] = 0.99
    client = connect(settings)
    client.set_model_version_tag(ENTRY, "1", "record", json.dumps(record))
    with pytest.raises(ValueError, match="rows `record` and `metrics` in the registry differ"):
        leaderboard(read(settings))
    client.set_model_version_tag(ENTRY, "1", "metrics", json.dumps(record["score"]["metrics"]))
    status, found = findings(zoo, "--no-load")
    assert status == 1
    assert {what for _, check, what, _ in found if check == "rows"} == {
        "row metrics: not what is sealed",
        "row record: not what is sealed",
    }
    assert findings(zoo, "--no-load", "--repair")[0] == 0
    champion = read(settings).champion(ENTRY)
    assert champion is not None
    assert {row: champion.tags[row] for row in ("record", "metrics")} == {
        row: version.tags[row] for row in ("record", "metrics")
    }


def test_a_model_of_no_network_an_alias_on_nothing_and_leftovers(
    zoo: typer.Typer, settings: Settings, make_model: Making
) -> None:
    version = store.register(make_model("a"), settings)
    second = store.register(make_model("b"), settings)
    status, found = findings(zoo, ENTRY)
    assert status == 1
    assert [what for _, check, what, _ in found if check == "loads"]  # its weights are made up
    client = connect(settings)
    promotion.challenge(version, settings)
    client.set_model_version_tag(ENTRY, "1", READY, "false")
    client.delete_model_version(ENTRY, "2")
    spare = settings.home / "artifacts" / "models" / "m-nobody"
    spare.mkdir()
    os.utime(spare, (0, 0))
    status, found = findings(zoo, "--no-load")
    assert status == 1
    wrong = [(subject, check) for subject, check, _, wrong in found if wrong]
    assert wrong == [(f"{ENTRY}/1", "alias")]
    assert {subject for subject, check, _, _ in found if check == "left over"} == {
        f"run {second.run_id}",
        str(spare),
    }
    refused = CliRunner().invoke(zoo, ["nobody.digits"])
    assert isinstance(refused.exception, ValueError)
    assert "no entry 'nobody.digits' in the registry" in str(refused.exception)
