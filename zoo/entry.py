"""What an entry is called: `<family>[-<variant>].<dataset>`, composed and parsed here and nowhere else."""

import re
from typing import Any, Self

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from zoo.catalogue import CATALOGUE

NAME = re.compile(r"(?P<model>[a-z0-9][a-z0-9-]*)\.(?P<dataset>[a-z0-9][a-z0-9._-]*)")


class Entry(str):
    """A family, its variant where it has several, and the dataset that it is scored on: an MLflow registered model.

    >>> Entry("fcn8s.voc2012").family, Entry("fcn8s.voc2012").dataset
    ('fcn8s', 'voc2012')

    Raises:
        ValueError: the text is no such name.
    """

    __slots__ = ()

    def __new__(cls, name: str) -> Self:
        if not NAME.fullmatch(name):
            raise ValueError(f"expected an entry, FAMILY[-VARIANT].DATASET, as in fcn8s.collage-seg, got {name!r}.")
        return super().__new__(cls, name)

    @classmethod
    def of(cls, family: str, dataset: str, *, variant: str = "") -> Self:
        """The entry of these parts."""
        return cls(f"{family}-{variant}.{dataset}" if variant else f"{family}.{dataset}")

    @property
    def model(self) -> str:
        """Family and variant."""
        return self.partition(".")[0]

    @property
    def dataset(self) -> str:
        return self.partition(".")[2]

    @property
    def family(self) -> str:
        """The longest name in the catalogue that this one begins with; of a family that is gone, family and variant."""
        model = self.model
        known = [name for name in CATALOGUE if model == name or model.startswith(f"{name}-")]
        return max(known, key=len, default=model)

    @property
    def variant(self) -> str:
        return self.model.removeprefix(self.family).removeprefix("-")

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: type[Any], _handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(
            cls, core_schema.str_schema(), serialization=core_schema.to_string_ser_schema()
        )
