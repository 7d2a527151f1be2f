"""The published numbers of registered families, known without importing torch."""

from collections.abc import Iterable

from flows.fingerprint import describe
from registry.settings import Settings
from zoo.catalogue import CATALOGUE
from zoo.published import Target


def targets(entries: Iterable[str], settings: Settings) -> dict[str, tuple[Target, ...]]:
    """Published numbers by family, of those families that the catalogue still has.

    Raises:
        ValueError: the file of one cannot be imported.
    """
    families = sorted({entry.partition(".")[0] for entry in entries} & set(CATALOGUE))
    described = describe(families, memo=settings.home / "memo")
    return {family: description.targets for family, description in described.items()}
