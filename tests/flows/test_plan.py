"""Which upstream entries a recipe has."""

from flows.plan import needed_entries


def test_needs_are_filled_in_from_the_recipe_and_an_empty_one_is_none() -> None:
    recipe = {"dataset": "collage-track", "scored_on": "", "features": "siamfc.collage-track"}
    needs = ("digit-classifier.{dataset}", "{features}")
    assert needed_entries(needs, recipe) == ["digit-classifier.collage-track", "siamfc.collage-track"]
    elsewhere = recipe | {"scored_on": "otb", "features": ""}
    assert needed_entries(needs, elsewhere) == ["digit-classifier.otb"]
