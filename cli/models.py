"""`zoo train` and `zoo evaluate`: one model by hand, outside the night."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import completion
from cli.output import JSON, print_table, talk
from registry.settings import settings

if TYPE_CHECKING:
    from flows.workers import Say
    from zoo.artifact import Record


def train(
    name: Annotated[
        str, typer.Argument(metavar="FAMILY", help="A family of `zoo list`.", autocompletion=completion.families)
    ],
    recipe: Annotated[
        str, typer.Option(help="Which of its recipes (`zoo show FAMILY`).", autocompletion=completion.recipes)
    ] = "mini",
    variant: Annotated[
        str, typer.Option(help="Which of its variants, where it has several.", autocompletion=completion.variants)
    ] = "",
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Change a number of the recipe (repeat).")
    ] = None,
    over: Annotated[
        str | None, typer.Option(metavar="NAME=VALUE,VALUE,...", help="Train once for each value; mean and deviation.")
    ] = None,
    called: Annotated[
        str, typer.Option("--name", help="What boards call a recipe whose numbers are changed, instead of mini*.")
    ] = "",
    register: Annotated[bool, typer.Option("--register", help="Register it, so that it stands on boards.")] = False,
    challenge: Annotated[
        bool, typer.Option("--challenge", help="Register it, and let the gate judge whether it becomes champion.")
    ] = False,
    as_json: JSON = False,
) -> None:
    """Train and score one model; it is registered only if you say so (the night registers its own).

    Stopped, the same command goes on from the last checkpoint; done, it shows what there is.

    Registered, it stands on the boards as "not judged yet" and never becomes champion by itself: among many that were
    tried by hand, the best one is mostly lucky. With --challenge, or once a night comes to the same recipe, the gate
    judges it like any other.

    Examples: [bold]zoo train fcn8s[/bold] · [bold]zoo train wgan-gp --recipe smoke --set seed=1 --set steps=500[/bold]
    · [bold]zoo train c3d --recipe paper --over split=1,2,3[/bold] ·
    [bold]zoo train siamfc --set steps=900 --name long --register[/bold] ·
    [bold]zoo train siamfc --over seed=1,2,3 --register[/bold]
    """
    from cli.watch import Watch
    from flows.single import train_one
    from zoo.artifact import read_record

    here = settings()
    each = [[*(changes or []), *one] for one in _each(over)]
    parsed = [_parsed(one) for one in each]
    with Watch() as watch:
        folders = [
            train_one(name, recipe, one, variant=variant, name=called, settings=here, say=watch.say) for one in parsed
        ]
        standing = [
            _registered(folder, watch.say, challenge=challenge) if register or challenge else {} for folder in folders
        ]
    records = [read_record(folder) for folder in folders]
    if over:
        _print_all(records, [one[-1] for one in each], standing, as_json=as_json)
    else:
        _print_one(folders[0], records[0], standing[0], as_json=as_json)
    for one in filter(None, standing):
        verdict = f"{one['verdict']}: {one['reason']}" if one["verdict"] else "on the boards, and judged against nobody"
        talk(f"{one['version']} is registered; {verdict}")


def _registered(folder: Path, say: "Say", *, challenge: bool) -> dict[str, str | None]:
    """Register a trained model; what became of it."""
    from flows.single import register_one

    version, ruling = register_one(folder, challenge=challenge, settings=settings(), say=say)
    return {
        "version": str(version),
        "verdict": ruling.decision if ruling else None,
        "reason": ruling.reason if ruling else None,
    }


def _print_one(folder: Path, record: "Record", standing: dict[str, str | None], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"folder": str(folder), **record.model_dump(mode="json"), **standing}, indent=2))
        return
    print_table(_rows(record, "floor", record.floor.metrics), title=_title(record))
    talk(f"{record.floor.name} is the floor. The model is in {folder}; pictures in {folder / 'pictures'}.")


def evaluate(
    model: Annotated[
        str,
        typer.Argument(
            help="A folder that `zoo pull` or `zoo train` wrote, or ENTRY@ALIAS.", autocompletion=completion.versions
        ),
    ],
    as_json: JSON = False,
) -> None:
    """Score a model again, now, under the protocol it was registered with, and compare.

    Exits 1 where a metric is not the recorded one.

    Examples: [bold]zoo evaluate ./siamfc[/bold] · [bold]zoo evaluate fcn8s.collage-seg@champion[/bold]
    """
    from cli.watch import Watch
    from flows.single import evaluate_again

    with Watch() as watch:
        again = evaluate_again(model, settings=settings(), say=watch.say)
    if as_json:
        recorded = again.record.score.metrics
        typer.echo(json.dumps({"same": again.same, "recorded": recorded, "now": again.metrics}, indent=2))
    else:
        print_table(_rows(again.record, "now", again.metrics), title=_title(again.record))
    if not again.same:
        raise ValueError(
            f"{model}: expected the recorded metrics, got others. Data, code, torch or the feature network changed "
            "since: `zoo data verify` checks the first, record.json in the model tells the rest."
        )


def _title(record: "Record") -> str:
    return f"{record.entry}  {record.protocol}  data {record.scored_digest[:8]}"


def _rows(record: "Record", other: str, values: dict[str, float]) -> list[dict[str, Any]]:
    """A row per metric: the recorded value, and another one beside it."""
    return [{"metric": key, "value": value, other: values[key]} for key, value in record.score.metrics.items()]


def _print_all(
    records: "list[Record]", values: list[str], standing: list[dict[str, str | None]], *, as_json: bool
) -> None:
    """Models that differ in one number, side by side."""
    from registry.figures import spread

    by_metric = {metric: [one.score.metrics[metric] for one in records] for metric in records[0].score.metrics}
    if as_json:
        told = [
            {"value": value, **one.model_dump(mode="json"), **stands}
            for value, one, stands in zip(values, records, standing, strict=True)
        ]
        typer.echo(
            json.dumps({"models": told, "spread": {key: spread(all_) for key, all_ in by_metric.items()}}, indent=2)
        )
        return
    rows = [
        {"metric": key, "mean ± deviation": spread(all_), **dict(zip(values, all_, strict=True))}
        for key, all_ in by_metric.items()
    ]
    print_table(rows, title=f"{records[0].entry}  {', '.join(dict.fromkeys(one.protocol for one in records))}")


def _each(over: str | None) -> list[list[str]]:
    """`"split=1,2"` -> `[["split=1"], ["split=2"]]`; without it, one without a change."""
    if over is None:
        return [[]]
    name, equals, values = over.partition("=")
    if not equals or not all(values.split(",")):
        raise ValueError(f"--over {over}: expected NAME=VALUE,VALUE,..., as in --over split=1,2,3")
    return [[f"{name}={value}"] for value in values.split(",")]


def _parsed(changes: list[str]) -> dict[str, object]:
    """`["steps=500", "betas=[0, 0.9]"]` -> values: JSON where it is, text where it is not."""
    values: dict[str, object] = {}
    for change in changes:
        name, equals, text = change.partition("=")
        if not equals:
            raise ValueError(f"--set {change}: expected NAME=VALUE, as in --set steps=500")
        try:
            values[name] = json.loads(text)
        except json.JSONDecodeError:
            values[name] = text
    return values
