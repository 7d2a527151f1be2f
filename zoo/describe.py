"""What families want to be told apart by, as JSON, for those who must not import torch to know it.

python -m zoo.describe fcn8s siamfc
"""

import json
import sys
from dataclasses import asdict
from typing import Any

from zoo.catalogue import family


def describe(name: str) -> dict[str, Any]:
    """A family's recipes, every number spelled out, the upstream entries it needs, and published numbers."""
    of = family(name)
    recipes = {key: recipe.model_dump(mode="json") for key, recipe in of.recipes.items()}
    return {"recipes": recipes, "needs": list(of.needs), "targets": [asdict(target) for target in of.targets]}


if __name__ == "__main__":
    json.dump({name: describe(name) for name in sys.argv[1:]}, sys.stdout)
