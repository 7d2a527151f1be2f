"""What families want to be told apart by, as JSON, for those who must not import torch to know it.

A family that cannot be imported has a `fault` instead: it fails alone.

python -m zoo.describe fcn8s siamfc
"""

import json
import sys
from dataclasses import asdict
from typing import Any

from zoo.catalogue import family, listing


def describe(name: str) -> dict[str, Any]:
    """A family's recipes, every number spelled out, the upstream entries each needs, and published numbers."""
    try:
        of = family(name)
    except Exception as error:  # whatever its file does
        return {"fault": f"{listing(name).module} cannot be imported: {type(error).__name__}: {error}"}
    return {
        "recipes": {key: recipe.model_dump(mode="json") for key, recipe in of.recipes.items()},
        "needs": {key: recipe.needs for key, recipe in of.recipes.items()},
        "targets": [asdict(target) for target in of.targets],
    }


if __name__ == "__main__":
    json.dump({name: describe(name) for name in sys.argv[1:]}, sys.stdout)
