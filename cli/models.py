"""`zoo train` and `zoo evaluate`: one model by hand, outside the night."""

import json
from typing import Annotated, Any

import typer

from cli.output import JSON, print_table, talk


def train(
    name: Annotated[str, typer.Argument(metavar="FAMILY", help="A family of `zoo list`.")],
    recipe: Annotated[str, typer.Option(help="Which of its recipes.")] = "mini",
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Change a number of the recipe (repeat).")
    ] = None,
    as_json: JSON = False,
) -> None:
    """Train and score one model in a run folder of its own; it is not registered (the night does that).

    Run it again and it goes on from its last checkpoint, or shows what it has.

    Examples: [bold]zoo train fcn8s[/bold] · [bold]zoo train wgan-gp --recipe smoke --set seed=1 --set steps=500[/bold]
    """
    from flows.single import train_one

    outcome = train_one(name, recipe, _parsed(changes or []), watch=not as_json)
    _print(outcome, as_json=as_json)
    talk(f"model: {outcome['folder']}")


def evaluate(
    model: Annotated[str, typer.Argument(help="A folder that `zoo pull` or `zoo train` wrote, or ENTRY@ALIAS.")],
    as_json: JSON = False,
) -> None:
    """Score a model again, now, under the protocol it was registered with, and compare.

    Exits 1 where a metric differs from the recorded one.

    Examples: [bold]zoo evaluate ./siamfc[/bold] · [bold]zoo evaluate fcn8s.collage-seg@champion[/bold]
    """
    from flows.single import evaluate_again

    outcome = evaluate_again(model)
    _print(outcome, as_json=as_json)
    if not outcome["same"]:
        raise ValueError(
            f"{model}: the metrics of today are not the recorded ones. The data, the feature network, the "
            "code or torch changed since; `zoo data verify` and the record in record.json tell which."
        )


def _print(outcome: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(outcome, indent=2))
        return
    typer.echo(f"{outcome['entry']}  {outcome['protocol']}")
    print_table(outcome["metrics"])


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
