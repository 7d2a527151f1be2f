"""The card of a model: what it is, what it scored and how, how to load it, and what it is not good for."""

import json
from collections.abc import Mapping, Sequence

from zoo.artifact import Identity, Record
from zoo.scoring.metrics import Metric

UNCERTAINTY = (
    "± is the standard error over the units scored (bootstrap), and 95 % its interval: what another sample of them "
    "would change, not another seed."
)


def card(
    identity: Identity, record: Record, metrics: Sequence[Metric], *, title: str, paper: str, limits: Sequence[str] = ()
) -> str:
    """A model's card as Markdown; written to `card.md` before the folder is sealed.

    Args:
        metrics: of the protocol's scoring, the ranking one first.
        title: the family in words, as the catalogue has it.
        paper: the family's paper.
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
    return f"""# {record.entry}

{title}. Paper: {paper}

| metric | this model | floor ({record.floor.name}) | better |
| --- | --- | --- | --- |
{scores}

Protocol `{record.protocol}` on {record.scored} (data digest `{record.scored_digest[:16]}`).
Two values compare only under the same protocol and data digest. {UNCERTAINTY if record.score.error is not None else ""}

## Load it

```python
import zoo
model = zoo.load("DIR")  # the folder this card lies in, verified first
```

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

## Limits

{chr(10).join(f"- {limit}" for limit in limits)}
"""


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
