"""What a change of champion has to bring and may not cost, by entry: `gate.toml` in the project, if there is one.

["fcn*.camvid"]                               a pattern of entries; of several that match the last one counts
margin = 0.005                                the least gain in the ranking metric that is worth a change
may_lose = { mean_class_accuracy = 0.01 }     the most that another metric may lose, in its unit
"""

import tomllib
from fnmatch import fnmatchcase
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from registry.settings import Settings

FILE = "gate.toml"
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Demands(BaseModel):
    """Of a challenger, besides being better by more than chance."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    margin: Amount = 0.0
    may_lose: dict[str, Amount] = Field(default_factory=dict)


_BY_PATTERN = TypeAdapter(dict[str, Demands])


def demands(entry: str, settings: Settings) -> Demands:
    """What is demanded of an entry's challengers; nothing where nobody wrote anything.

    Raises:
        ValueError: the file is no such table.
    """
    file = settings.project / FILE
    if not file.is_file():
        return Demands()
    try:
        by_pattern = _BY_PATTERN.validate_python(tomllib.loads(file.read_text(encoding="utf-8")))
    except ValueError as error:
        raise ValueError(
            f'{file}: expected tables like ["fcn*.camvid"] with `margin` and `may_lose`, both at least 0; {error}'
        ) from error
    return next((found for name, found in reversed(by_pattern.items()) if fnmatchcase(entry, name)), Demands())
