"""The card of a model: what it is, what it scored and how, how to load it, and what it is not good for.

Its first lines are YAML between two `---`, the front matter that model hubs read (Hugging Face's model card metadata);
pages that render Markdown show what `text` leaves.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from zoo.artifact import Identity, Record
from zoo.data.made import MADE
from zoo.data.sources import SOURCES
from zoo.scoring.metrics import Metric

FENCE = "---\n"
CODE = "apache-2.0"  # nightzoo's own licence, by its SPDX name as hubs write it

UNCERTAINTY = (
    "± is the standard error over the units scored (bootstrap), and 95 % its interval: what another sample of them "
    "would change, not another seed."
)


@dataclass(frozen=True, kw_only=True)
class _Use:
    """What models of a task are for."""

    tags: tuple[str, ...]
    hub: str = ""  # the hub's name of the task, where it has one
    takes: str
    gives: str
    ask: str  # Python, after `model = zoo.use(DIR)`


_CLASSIFIES = _Use(
    tags=("image-classification",),
    hub="image-classification",
    takes="a picture; one of another size or colouring is made as the training data's are",
    gives="a probability for each class",
    ask='model("picture.png").row()',
)
_DRAWS = _Use(
    tags=("image-generation",),
    hub="unconditional-image-generation",
    takes="how many pictures, and a seed",
    gives="so many new pictures, the same for the same seed",
    ask="model(16, seed=0).draw()",
)
USES = {
    "accuracy": _CLASSIFIES,
    "top5": _CLASSIFIES,
    "miou": _Use(
        tags=("image-segmentation", "semantic-segmentation"),
        hub="image-segmentation",
        takes="a picture of any size",
        gives="the class of every pixel",
        ask='model("picture.png").draw("picture.png")',
    ),
    "coco": _Use(
        tags=("object-detection", "instance-segmentation"),
        hub="object-detection",
        takes="a picture of any size",
        gives="class, score, box and mask of each thing in it",
        ask='model("picture.png").draw("picture.png")',
    ),
    "epe": _Use(
        tags=("optical-flow",),
        takes="two pictures of one size",
        gives="how far each pixel of the first moved until the second, in pixels",
        ask='model("first.png", "second.png").draw("first.png")',
    ),
    "actions": _Use(
        tags=("video-classification", "action-recognition"),
        hub="video-classification",
        takes="a video",
        gives="a probability for each action",
        ask='model("video.avi").row()',
    ),
    "ope": _Use(
        tags=("object-tracking",),
        takes="the frames of a video, and the object's box in the first one",
        gives="a box in each frame",
        ask='model(["0001.jpg", "0002.jpg"], (10, 20, 64, 48)).told()',
    ),
    "fid": _DRAWS,
    "inception": _DRAWS,
    "codes": _DRAWS,
    "conditional": _DRAWS,
    "bpd": _DRAWS,
}
"""By the name of the scoring."""


def card(
    identity: Identity,
    record: Record,
    metrics: Sequence[Metric],
    *,
    title: str,
    paper: str,
    made: date,
    limits: Sequence[str] = (),
) -> str:
    """A model's card as Markdown; written to `card.md` before the folder is sealed.

    Args:
        metrics: of the protocol's scoring, the ranking one first.
        title: the family in words, as the catalogue has it.
        paper: the family's paper.
        made: the day of sealing.
        limits: what a user must know before relying on it, a sentence each, besides what holds for every model.
    """
    scores = "\n".join(_score(metric, record, ranks=metric is metrics[0]) for metric in metrics)
    needs = "".join(f"\n- Built on {entry} (`{identity_[:16]}`)" for entry, identity_ in record.upstream.items())
    trained_on = f"{record.dataset} (`{record.data_digest[:16]}`)"
    limits = [
        f"Measured on {record.scored} only; says nothing about other pictures.",
        f"Trained with the `{identity.recipe_name}` recipe on {record.dataset}: do not compare with the paper's "
        "numbers unless protocol and data agree.",
        *limits,
    ]
    use = USES[_scoring(record.protocol)]
    return f"""{_front_matter(identity, record, metrics, use)}# {record.entry}

{title}. Paper: {paper}

Sealed on {made.isoformat()}. Whether it became champion was decided later and stands in the registry, not here:
`zoo versions {record.entry}` has the verdict, `zoo replay {record.entry}/NUMBER` makes it again.

| metric | this model | floor ({record.floor.name}) | better |
| --- | --- | --- | --- |
{scores}

Protocol `{record.protocol}` on {record.scored} (data digest `{record.scored_digest[:16]}`).
Two values compare only under the same protocol and data digest. {UNCERTAINTY if record.score.error is not None else ""}

## Use it

Meant for pictures like those it was trained on ({record.dataset}). It takes {use.takes};
it gives {use.gives}.{_named(identity)}

```python
import zoo
model = zoo.use("DIR")  # the folder this card lies in, verified first
{use.ask}
predictor = zoo.load("DIR")  # the same without the comfort: batches of tensors, for programs
```

In a shell: `zoo predict DIR INPUT... -o FOLDER`.

Nothing in this folder is executed: weights are safetensors, the network comes from nightzoo's catalogue.

## How it came to be

- Trained on {trained_on}, {record.steps:,} steps in {record.seconds:.0f} s, {record.parameters:,} parameters
- {_pairs(record.placement)}
- {_pairs(record.versions)}
- Identity of the training `{record.trains}`
- Identity of the numbers `{record.scores}`{needs}

Recipe `{identity.recipe_name}`:

```json
{json.dumps(identity.recipe, indent=2)}
```

## Licences

- Code: {CODE}
- Data ({record.dataset}): {_data_licence(record.dataset)}
- Weights: no licence of their own was recorded; they were made of the data, and of what the recipe starts from, whose
  terms bind whoever uses or shares them

## Limits

{chr(10).join(f"- {limit}" for limit in limits)}
"""


def text(card: str) -> str:
    """A card without its front matter."""
    _, fence, rest = card.removeprefix(FENCE).partition(f"\n{FENCE}")
    return rest.lstrip("\n") if fence and card.startswith(FENCE) else card


def _front_matter(identity: Identity, record: Record, metrics: Sequence[Metric], use: _Use) -> str:
    """What a hub searches by, every value written as JSON, which YAML includes."""
    results = {
        "task": {"type": use.hub or use.tags[0]},
        "dataset": {"name": record.scored, "type": record.scored, "revision": record.scored_digest},
        "metrics": [{"type": metric.name, "value": record.score.metrics[metric.name]} for metric in metrics],
    }
    told = {
        "license": "other",
        "license_name": "by-part",
        "licences": {"code": CODE, "data": _data_licence(record.dataset), "weights": "none recorded"},
        "library_name": "nightzoo",
        "pipeline_tag": use.hub,
        "tags": ["computer-vision", identity.family, *use.tags],
        "datasets": sorted({record.dataset, record.scored}),
        "metrics": [metric.name for metric in metrics],
        "model-index": [{"name": record.entry, "results": [results]}],
    }
    lines = [f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in told.items() if value]
    return FENCE + "\n".join(lines) + f"\n{FENCE}\n"


def _scoring(protocol: str) -> str:
    """The name of a protocol's scoring: `miou` of `collage-seg-val/miou@1`."""
    return protocol.rpartition("/")[2].partition("@")[0].rpartition("-")[2]


def _data_licence(dataset: str) -> str:
    if dataset in MADE:
        return "made by nightzoo of what scikit-image and scikit-learn ship, under the terms stated there"
    return SOURCES[dataset].licence if dataset in SOURCES else "not known to nightzoo; ask whoever brought the data"


def _named(identity: Identity) -> str:
    """The classes, where the network's data named them."""
    classes = identity.facts.get("classes", ())
    return f"\n\n{len(classes)} classes: {', '.join(classes)}." if classes else ""


def _score(metric: Metric, record: Record, *, ranks: bool) -> str:
    better = "higher" if metric.higher_is_better else "lower"
    unit = f" {metric.unit}" if metric.unit else ""
    mine, floor = record.score.metrics[metric.name], record.floor.metrics[metric.name]
    chance = _chance(record) if ranks else ""
    return f"| {metric.name} | {mine:.4g}{chance}{unit} | {floor:.4g}{unit} | {better} |"


def _chance(record: Record) -> str:
    """Standard error and interval of the ranking metric; nothing where an older record has none."""
    error, interval = record.score.error, record.score.interval
    if error is None or interval is None:
        return ""
    return f" ± {error:.2g}, 95 % in [{interval[0]:.4g}, {interval[1]:.4g}]"


def _pairs(values: Mapping[str, object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())
