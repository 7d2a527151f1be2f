"""What families say of the recipes of a line-up, those with other numbers included."""

from collections.abc import Iterable
from pathlib import Path

from flows.fingerprint import Description, describe, describe_changed
from flows.lineups import Slot


def describe_slots(slots: Iterable[Slot], *, memo: Path) -> dict[str, Description]:
    """The families of a line-up; a recipe with other numbers stands among theirs, under the name its slot gives it.

    Raises:
        ValueError: no such family, recipe or number; a name that one of the family's recipes has, or two slots.
    """
    slots = tuple(slots)
    described = describe((slot.family for slot in slots), memo=memo)
    asked = {slot: _question(slot) for slot in slots if slot.changed and not described[slot.family].fault}
    told = describe_changed(asked.values(), memo=memo)
    for slot, question in asked.items():
        variants = described[slot.family].recipes
        known = variants[slot.variant].get(slot.recipe)
        if known is not None and known != told[question]:
            raise ValueError(
                f"{slot.family} has two recipes {slot.recipe!r} of different numbers: name the changed one otherwise."
            )
        added = variants | {slot.variant: variants[slot.variant] | {slot.recipe: told[question]}}
        described[slot.family] = described[slot.family].model_copy(update={"recipes": added})
    return described


def _question(slot: Slot) -> tuple[str, str, str, str]:
    recipe, numbers = slot.changed or (slot.recipe, "{}")
    return slot.family, slot.variant, recipe, numbers
