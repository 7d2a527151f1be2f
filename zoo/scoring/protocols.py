"""Which scoring a protocol names: the table that turns `collage-seg-val/miou@1` into the code that counts."""

from importlib import import_module

from zoo.scoring.metrics import Scoring

SCORINGS = {
    "accuracy@1": "zoo.scoring.classification:Accuracy",
    "coco@1": "zoo.scoring.detection:first_version",
    "coco@2": "zoo.scoring.detection:CocoAP",
    "conditional@1": "zoo.scoring.conditional:ConditionalQuality",
    "epe@1": "zoo.scoring.flow:EndPointError",
    "actions@1": "zoo.scoring.action:ActionAccuracy",
    "bpd@1": "zoo.scoring.likelihood:BitsPerDimension",
    "fid@1": "zoo.scoring.samples:SampleQuality",
    "inception@1": "zoo.scoring.samples:InceptionQuality",
    "miou@1": "zoo.scoring.segmentation:MIoU",
    "top5@1": "zoo.scoring.top_five:TopFive",
    "ope@1": "zoo.scoring.tracking:Success",
}


def scoring(protocol: str) -> Scoring:
    """The scoring of a protocol, `<dataset>-<split>/[<feature space>-]<name>@<version>[:<what else decides>]`.

    Raises:
        ValueError: no scoring has that id.
    """
    name = protocol.rpartition("/")[2].partition(":")[0]
    space, _, counting = name.rpartition("-")
    if counting not in SCORINGS:
        raise ValueError(
            f"protocol {protocol!r}: expected its scoring to be one of {', '.join(SCORINGS)}, got {name!r}. A number "
            "whose counting is not known is never registered; add its scoring to zoo/scoring/protocols.py."
        )
    module, attribute = SCORINGS[counting].split(":")
    of = getattr(import_module(module), attribute)
    found: Scoring = of(space) if space else of()
    return found
