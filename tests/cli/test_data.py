"""`zoo data` as a person types it: stdout for results, stderr for talk, exit code 0 only if what was asked is true."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


def zoo(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"ZOO_PROJECT": str(project), "ZOO_HOME": str(project / "home"), "COLUMNS": "200"}
    command = [str(Path(sys.executable).with_name("zoo")), "data", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_from_empty_to_verified_to_damaged(tmp_path: Path) -> None:
    made = zoo(tmp_path, "make", "digits")
    assert made.returncode == 0, made.stderr
    name, digest = made.stdout.split()
    assert (name, len(digest)) == ("digits", 64)

    listed = {row["dataset"]: row for row in json.loads(zoo(tmp_path, "ls", "--json").stdout)}
    assert (listed["digits"]["state"], listed["digits"]["digest"]) == ("ready", digest)
    assert listed["collage-seg"]["state"] == "absent"
    assert json.loads(zoo(tmp_path, "verify", "--json").stdout) == [
        {"dataset": "digits", "digest": digest, "wrong": ""}
    ]

    labels = tmp_path / "datasets" / "digits" / "t10k-labels-idx1-ubyte"
    labels.write_bytes(labels.read_bytes()[:-1] + b"\x09")
    verified = zoo(tmp_path, "verify", "--json")
    assert verified.returncode == 1
    assert "changed: t10k-labels-idx1-ubyte" in json.loads(verified.stdout)[0]["wrong"]
    assert verified.stderr == "zoo: not as recorded: digits\n"


@pytest.mark.parametrize(
    "arguments",
    [["verify", "imagenet"], ["fetch", "imagenet"], ["add", "x", "nowhere"], ["push"], ["make", "imagenet"]],
)
def test_a_mistake_is_one_line(tmp_path: Path, arguments: list[str]) -> None:
    done = zoo(tmp_path, *arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1].startswith("zoo: ")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["ls", "make", "add", "fetch", "verify", "pull", "push"])
def test_help_has_an_example(tmp_path: Path, command: str) -> None:
    done = zoo(tmp_path, command, "--help")
    assert done.returncode == 0
    assert f"zoo data {command}" in done.stdout
