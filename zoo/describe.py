"""What families want to be told apart by, as JSON, for those who must not import torch to know it.

A family that cannot be imported has a `fault` instead: it fails alone.

python -m zoo.describe fcn8s siamfc
python -m zoo.describe --changed '[["fcn8s", "", "mini", {"steps": 500}]]'
"""

import json
import sys
from dataclasses import asdict
from typing import Any

from pydantic import ValidationError

from zoo.catalogue import family as named
from zoo.catalogue import listing
from zoo.contracts import Recipe


def describe(name: str) -> dict[str, Any]:
    """A family's paper, its recipes by variant and name, every number spelled out, what each number is, the upstream
    entries each recipe needs, published numbers and what was asked."""
    try:
        family = named(name)
    except Exception as error:  # whatever its file does
        return {"fault": f"{listing(name).module} cannot be imported: {type(error).__name__}: {error}"}
    return {
        "paper": family.paper,
        "numbers": {name: field.description or "" for name, field in family.recipe_type().model_fields.items()},
        "recipes": {
            variant: {name: _told(family.recipe(name, variant=variant)) for name in family.recipes}
            for variant in family.variants
        },
        "targets": [asdict(target) for target in family.targets],
        "asks": [asdict(ask) for ask in family.asks],
    }


def describe_changed(name: str, variant: str, recipe: str, numbers: dict[str, Any]) -> dict[str, Any]:
    """A recipe of a family with some numbers changed."""
    try:
        return _told(named(name).recipe(recipe, variant=variant, **numbers))
    except ValidationError as error:
        wrong = (f"{'.'.join(map(str, fault['loc'])) or recipe}: {fault['msg']}" for fault in error.errors())
        return {"fault": "; ".join(wrong)}
    except Exception as error:  # whatever its file does
        return {"fault": str(error)}


def _told(recipe: Recipe) -> dict[str, Any]:
    return {
        "training": recipe.numbers(scoring=False),
        "scoring": recipe.numbers(scoring=True),
        "needs": recipe.needs,
        "scoring_needs": recipe.scoring_needs,
    }


if __name__ == "__main__":
    if sys.argv[1] == "--changed":
        json.dump([describe_changed(*asked) for asked in json.loads(sys.argv[2])], sys.stdout)
    else:
        json.dump({name: describe(name) for name in sys.argv[1:]}, sys.stdout)
