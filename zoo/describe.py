"""What families want to be told apart by, as JSON, for those who must not import torch to know it.

A family that cannot be imported has a `fault` instead: it fails alone.

python -m zoo.describe fcn8s siamfc
"""

import json
import sys
from dataclasses import asdict
from typing import Any

from zoo.catalogue import family as named
from zoo.catalogue import listing
from zoo.contracts import Recipe


def describe(name: str) -> dict[str, Any]:
    """A family's recipes by variant and name, every number spelled out, the upstream entries each needs, published
    numbers and what was asked."""
    try:
        family = named(name)
    except Exception as error:  # whatever its file does
        return {"fault": f"{listing(name).module} cannot be imported: {type(error).__name__}: {error}"}
    return {
        "recipes": {
            variant: {name: _told(family.recipe(name, variant=variant)) for name in family.recipes}
            for variant in family.variants
        },
        "targets": [asdict(target) for target in family.targets],
        "asks": [asdict(ask) for ask in family.asks],
    }


def _told(recipe: Recipe) -> dict[str, Any]:
    return {
        "training": recipe.numbers(scoring=False),
        "scoring": recipe.numbers(scoring=True),
        "needs": recipe.needs,
        "scoring_needs": recipe.scoring_needs,
    }


if __name__ == "__main__":
    json.dump({name: describe(name) for name in sys.argv[1:]}, sys.stdout)
