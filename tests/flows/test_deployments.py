"""What a schedule hands to Prefect, and what is refused before anything is made there."""

import inspect
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from flows.deployments import environment, schedule
from flows.lineups import LINEUPS
from flows.scheduled import night
from flows.summary import Asked
from registry.settings import Settings


@pytest.mark.parametrize(
    ("cron", "timezone", "said"),
    [
        ("99 2 * * *", "UTC", "'99 2 \\* \\* \\*' is no cron expression. Expected minute, hour"),
        ("at night", "UTC", "'at night' is no cron expression"),
        ("0 2 30 2 *", "UTC", "'0 2 30 2 \\*' names a time that never comes"),
        ("0 2 * * *", "Berlin", "'Berlin' is no time zone. Expected a name of the IANA database"),
        ("0 2 * *", "Mars/Base", "no cron expression.*no time zone"),
    ],
)
def test_times_that_are_none_are_refused_without_asking_a_server(
    cron: str, timezone: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")  # whoever asked it would get a ConnectionError
    settings = Settings(tmp_path, tmp_path / ".zoo", "sqlite:///x.db")
    with pytest.raises(ValueError, match=said):
        schedule("n", cron, timezone=timezone, asked=Asked(lineup="mini"), settings=settings)


def test_the_flow_takes_what_a_night_can_be_asked() -> None:
    assert list(inspect.signature(night.fn).parameters) == list(Asked.model_fields)
    assert set(get_args(get_type_hints(night.fn)["lineup"])) == set(LINEUPS)


def test_a_password_is_not_handed_to_where_everybody_sees_it(tmp_path: Path) -> None:
    def told(uri: str) -> dict[str, str]:
        return environment(Settings(tmp_path, tmp_path / "home", uri))

    assert told("http://mlflow:5000")["MLFLOW_TRACKING_URI"] == "http://mlflow:5000"
    assert "MLFLOW_TRACKING_URI" not in told("http://zoo:secret@mlflow:5000")
    assert "MLFLOW_TRACKING_URI" not in told("sqlite:////home/mlflow.db")
    assert (told("")["ZOO_PROJECT"], told("")["ZOO_HOME"]) == (str(tmp_path), str(tmp_path / "home"))
