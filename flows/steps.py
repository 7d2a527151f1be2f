"""What was changed between two versions: of those that were made here by definition, else as the registry knows it."""

import json
from collections.abc import Sequence
from pathlib import Path

from flows.fingerprint import Ingredients
from flows.runs import run_folder
from registry.glance import Version
from registry.history import registered_changes
from registry.settings import Settings


def changes(before: Version, after: Version, settings: Settings) -> Sequence[str]:
    """In words, most telling first; code by the modules that changed where both run folders are on this machine."""
    known = registered_changes(before, after)
    made = [_ingredients(version, settings) for version in (before, after)]
    if made[0] is None or made[1] is None:
        return known
    named = made[1].changes(made[0])
    return (*(named or ["nothing but its scoring"]), *(word for word in known if word == "the same weights"))


def _ingredients(version: Version, settings: Settings) -> Ingredients | None:
    """What a version was made of, if its job is on this machine and is still that of its numbers."""
    job: Path = run_folder(settings, version.entry, version.trains) / "job.json"
    try:
        made = Ingredients.model_validate(json.loads(job.read_bytes())["ingredients"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return made if made.scores == version.scores else None
