"""Facts of data sets that need not be there."""

from zoo.tasks.classification import ClassificationFacts


def facts(size: int = 8, *, channels: int = 1, classes: int = 10) -> ClassificationFacts:
    """Square pictures, and classes that are called by their numbers."""
    return ClassificationFacts(
        channels=channels, height=size, width=size, classes=tuple(str(number) for number in range(classes))
    )
