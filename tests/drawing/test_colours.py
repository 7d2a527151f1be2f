"""The colours of classes."""

from zoo.drawing.colours import voc_colours


def test_voc_colours_are_the_published_ones() -> None:
    published = {0: (0, 0, 0), 1: (128, 0, 0), 15: (192, 128, 128), 20: (0, 64, 128), 255: (224, 224, 192)}
    assert {label: tuple(voc_colours()[label].tolist()) for label in published} == published
