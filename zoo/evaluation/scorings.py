"""Which scoring a protocol names: the table that turns `collage-seg-val/miou@1` into the code that counts."""

from importlib import import_module

from zoo.evaluation.scoring import Scoring

SCORINGS = {
    "accuracy@1": "zoo.evaluation.recognition:Accuracy",
    "fid@1": "zoo.evaluation.generation:FrechetDistance",
    "miou@1": "zoo.evaluation.segmentation:MIoU",
    "ope@1": "zoo.evaluation.tracking:Success",
}


def scoring(protocol: str) -> Scoring:
    """The scoring of a protocol, `<dataset>-<split>/<scoring id>`.

    Raises:
        ValueError: no scoring has that id.
    """
    name = protocol.rpartition("/")[2]
    if name not in SCORINGS:
        raise ValueError(
            f"protocol {protocol!r}: expected one that ends in /{' or /'.join(SCORINGS)}. A number whose counting is "
            "not known is never registered; add its scoring to zoo/evaluation/scorings.py."
        )
    module, attribute = SCORINGS[name].split(":")
    found: Scoring = getattr(import_module(module), attribute)()
    return found
