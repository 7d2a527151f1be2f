"""Where a zoo is found: by the environment, by a zoo.toml, by what lies in the folders above; and who wins."""

import re
from pathlib import Path

import pytest

from registry.settings import settings, whereabouts

VARIABLES = ("ZOO_CONFIG", "ZOO_PROJECT", "ZOO_HOME", "MLFLOW_TRACKING_URI", "PREFECT_API_URL")


@pytest.fixture
def below(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder two levels below a project that is empty so far; that we stand in."""
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    folder = tmp_path / "project" / "a" / "b"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    return folder


def write(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "zoo.toml").write_text(text)
    return folder / "zoo.toml"


def test_without_a_mark_the_current_folder_is_the_project(below: Path) -> None:
    found = whereabouts()
    assert found.settings.project == below
    assert found.project.because.startswith("the current folder")
    assert found.settings.tracking_uri == f"sqlite:///{below / '.zoo' / 'mlflow.db'}"
    assert str(below) in found.settings.nothing_registered
    assert found.prefect.value == ""


@pytest.mark.parametrize("mark", ["zoo.toml", "datasets.dvc", ".zoo"])
def test_each_mark_makes_a_folder_above_the_project(mark: str, below: Path) -> None:
    project = below.parents[1]
    (project / mark).mkdir() if mark == ".zoo" else (project / mark).touch()
    assert settings().project == project
    assert whereabouts().project.because == f"{mark} lies there"
    (below / ".zoo").mkdir()
    assert settings().project == below


def test_a_zoo_toml_names_home_and_servers_and_the_environment_overrules_it(
    below: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(
        below.parents[1],
        'home = "../elsewhere"\n[servers]\nmlflow = "http://me:secret@mlflow:5000"\nprefect = "http://prefect/api"\n',
    )
    found = whereabouts()
    assert found.settings.home == below.parents[2] / "elsewhere"
    assert found.home.because == f"home in {file}"
    assert found.registry.value == "http://me:secret@mlflow:5000"
    assert found.settings.registry == "http://***@mlflow:5000"
    assert found.prefect.value == "http://prefect/api"
    monkeypatch.setenv("ZOO_HOME", str(below / "mine"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://other")
    assert (settings().home, settings().tracking_uri) == (below / "mine", "http://other")
    assert whereabouts().registry.because == "$MLFLOW_TRACKING_URI"


def test_a_persons_own_file_counts_where_nothing_else_decides(below: Path, tmp_path: Path) -> None:
    project = tmp_path / "far"
    own = write(tmp_path / "config" / "nightzoo", f'project = "{project}"\n[servers]\nmlflow = "http://own"\n')
    write(project, 'home = "kept"\n')
    found = whereabouts()
    assert (found.settings.project, found.settings.home) == (project, project / "kept")
    assert (found.settings.tracking_uri, found.registry.because) == ("http://own", f"servers.mlflow in {own}")
    (below / "datasets.dvc").touch()
    assert settings().project == below
    write(below, '[servers]\nmlflow = "http://nearer"\n')
    assert settings().tracking_uri == "http://nearer"


def test_a_file_may_point_at_a_project_elsewhere(below: Path, tmp_path: Path) -> None:
    pointing = write(below, 'project = "../../../far"\n[lineups.a]\nseed = 1\n')
    theirs = write(tmp_path / "far", 'home = "kept"\n[lineups.a]\n[lineups.b]\n')
    found = whereabouts()
    assert (found.settings.project, found.settings.home) == (tmp_path / "far", tmp_path / "far" / "kept")
    assert found.lineups == {"a": (pointing, {"seed": 1}), "b": (theirs, {})}
    assert found.files == (pointing, theirs)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("home = ", "expected TOML"),
        ('hone = "x"', "unknown key 'hone'; did you mean home?"),
        ('[servers]\nmlflwo = "x"', "unknown key 'mlflwo' in [servers]; did you mean mlflow?"),
        ("home = 3", "expected a text for home, got 3"),
        ("[servers]\nmlflow = 5000", "expected a text for servers.mlflow, got 5000"),
        ('servers = "x"', "expected [servers] to be a table, got 'x'"),
    ],
)
def test_a_mistake_in_the_file_is_named(text: str, said: str, below: Path) -> None:
    file = write(below, text)
    with pytest.raises(ValueError, match=re.escape(said)) as raised:
        settings()
    assert str(file) in str(raised.value)
