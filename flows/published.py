"""What is known of families without importing torch: their published numbers, and what figures are wanted of them."""

from collections.abc import Iterable, Sequence

from flows.described import describe_slots
from flows.fingerprint import describe
from flows.lineups import Slot
from registry.figures import Wanted
from registry.settings import Settings
from zoo.catalogue import CATALOGUE
from zoo.entry import Entry
from zoo.published import Target


def targets(entries: Iterable[str], settings: Settings) -> dict[str, tuple[Target, ...]]:
    """Published numbers by family, of those families that the catalogue still has.

    Raises:
        ValueError: the file of one cannot be imported.
    """
    families = sorted({Entry(entry).family for entry in entries} & set(CATALOGUE))
    described = describe(families, memo=settings.home / "memo")
    return {family: description.targets for family, description in described.items()}


def wanted(slots: Sequence[Slot], settings: Settings) -> tuple[Wanted, ...]:
    """What figures a line-up's entries have, in its order.

    Raises:
        ValueError: the file of a family cannot be imported.
    """
    described = describe_slots(slots, memo=settings.home / "memo")
    found = []
    for slot in slots:
        family = described[slot.family]
        if family.fault:
            raise ValueError(family.fault)
        recipe = family.recipes[slot.variant][slot.recipe]
        found.append(
            Wanted(
                entry=Entry.of(slot.family, recipe.scored, variant=slot.variant),
                recipe_name=slot.recipe,
                recipe=recipe.training | recipe.scoring,
                needs=recipe.needs,
                asks=family.asks,
            )
        )
    return tuple(found)
