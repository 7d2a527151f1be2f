"""`zoo pull`, `zoo verify` and `zoo cache` as they are typed."""

import json
from collections import deque
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from cli.app import app
from registry.settings import Settings

from .conftest import ENTRY
from .test_pull_under_fire import server as server
from .unreliable import Unreliable


@pytest.fixture(autouse=True)
def _there(server: tuple[Unreliable, Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server[1].tracking_uri)
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


def zoo(*words: str) -> Result:
    return CliRunner().invoke(app, words)


def test_from_a_look_to_an_empty_cache(server: tuple[Unreliable, Settings]) -> None:
    look = zoo("pull", ENTRY, "--dry-run")
    assert look.exit_code == 0
    assert "large" in look.stdout
    assert list(Path().iterdir()) == []
    assert len(json.loads(zoo("pull", ENTRY, "--dry-run", "--json").stdout)["files"]) == 8

    assert zoo("pull", ENTRY).exit_code == 0
    model = Path(f"{ENTRY}-1")
    whole = json.loads(zoo("verify", str(model), "--json").stdout)
    assert (whole["faults"], whole["files"]) == ([], 8)
    assert zoo("verify", str(model), "--manifest", whole["manifest"]).exit_code == 0
    assert zoo("verify", str(model), "--manifest", "0" * 64).exit_code == 1

    server[0].faults[""] = deque(["500"])
    assert zoo("pull", ENTRY, "part", "--offline", "--only", "evaluation/*").exit_code == 0
    assert zoo("verify", "part").exit_code == 1
    assert zoo("verify", "part", "--only", "evaluation/*").exit_code == 0
    (model / "large").write_bytes(b"changed")
    damaged = zoo("verify", str(model))
    assert (damaged.exit_code, damaged.stdout) == (1, "changed: large\n")
    assert zoo("pull", ENTRY, str(model), "--offline", "--force").exit_code == 0
    assert zoo("verify", str(model)).exit_code == 0

    listed = zoo("cache", "ls").stdout
    assert f"{ENTRY}/1" in listed
    assert "9 of 9" in listed
    kept = json.loads(zoo("cache", "ls", "--json").stdout)
    assert kept["files"] == 9
    assert zoo("cache", "verify").exit_code == 0
    path = next(path for path in Path(kept["folder"]).glob("files/*/*") if path.stat().st_size > 1 << 20)
    path.chmod(0o644)
    path.write_bytes(b"damaged")
    assert json.loads(zoo("cache", "verify", "--json").stdout)["damaged"] == [str(path)]
    assert "would go" in zoo("cache", "prune", "--unused-days", "0", "--dry-run").stdout
    assert json.loads(zoo("cache", "prune", "--unused-days", "0", "--json").stdout)["files"] == 8
    assert "0 files" in zoo("cache", "ls").stdout
