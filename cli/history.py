"""`zoo replay`, `promote`, `rollback`, `history` and `compare`: who reigns, why, and what was changed."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.output import JSON, interval, measured, print_table, talk
from registry.settings import Settings, settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from registry.comparison import Comparison, Part
    from registry.history import History, Reign
    from registry.promotion import ByHand

PICTURE = Annotated[Path | None, typer.Option("--picture", metavar="FILE.png", help="Draw it into this file.")]
PICTURES_SHOWN = 6  # units of a comparison's picture


def replay(
    reference: Annotated[str, typer.Argument(metavar="ENTRY/NUMBER", help="A version that the gate has judged.")],
    as_json: JSON = False,
) -> None:
    """Make the gate's verdict on a version again, under the rule it was made by; exits 1 if it differs.

    Every file is checked against the hash that the verdict names; purse and pool are reckoned again from the verdicts
    before it.

    Examples: [bold]zoo replay fcn8s.collage-seg/2[/bold] · [bold]zoo replay siamfc.otb/3 --json[/bold]
    """
    from registry.gate import differences
    from registry.promotion import replay as make_again
    from registry.pull import resolve

    where = settings()
    version = resolve(reference, where)
    verdict, again = make_again(version, where)
    different = differences(verdict, again)
    if as_json:
        told = {"stored": verdict.model_dump(mode="json"), "again": again.model_dump(mode="json")}
        typer.echo(json.dumps({"version": str(version), "same": not different, "differs": different, **told}, indent=2))
    else:
        typer.echo(f"{version}: {verdict.decision}: {verdict.reason}")
        for name, digest in verdict.units.items():
            typer.echo(f"  {digest[:16]}  {name}")
        for name in different:
            typer.echo(f"  {name}: stored {getattr(verdict, name)}, now {getattr(again, name)}")
    if different:
        raise ValueError(
            f"{version}: the same units give another verdict now ({', '.join(different)} differ): the scoring or the "
            "gate was changed since without a new version of its name, or a verdict before it is gone."
        )
    talk("the same again")


def promote(
    reference: Annotated[str, typer.Argument(metavar="REF", help="ENTRY@latest or ENTRY/NUMBER.")],
    because: Annotated[str, typer.Option("--because", help="Why; it stands in the history for good.")],
    as_json: JSON = False,
) -> None:
    """Make a version champion against the gate's word or without it; who, when and why are kept with the version.

    Nothing is tested, and nothing taken from the purse. Boards say "by hand" until somebody beats it.

    Example: [bold]zoo promote fcn8s.camvid/3 --because "colours as the printer needs them"[/bold]
    """
    from registry.promotion import promote as make_champion
    from registry.pull import resolve

    where = settings()
    version = resolve(reference, where)
    _told(str(version), make_champion(version, where, why=because), as_json=as_json)
    _decorate(where)


def rollback(
    entry: Annotated[str, typer.Argument(help="A registered entry, FAMILY.DATASET.")],
    because: Annotated[str, typer.Option("--because", help="Why; it stands in the history for good.")] = "rolled back",
    as_json: JSON = False,
) -> None:
    """Give the title back to the version that the champion took it from; once more, to the one before that.

    Examples: [bold]zoo rollback fcn8s.camvid[/bold] · [bold]zoo rollback raft.sintel --because "too slow"[/bold]
    """
    from registry.glance import read
    from registry.history import to_roll_back_to
    from registry.promotion import promote as make_champion

    where = settings()
    held = read(where, entry)
    if not held.versions(entry):
        raise ValueError(f"no entry {entry!r} in the registry; it has: {', '.join(read(where).entries) or 'none yet'}.")
    try:
        version = held.numbered(entry, to_roll_back_to(held.versions(entry)))
    except ValueError as error:
        raise ValueError(f"{entry}: {error}") from error
    _told(str(version), make_champion(version, where, why=because, rollback=True), as_json=as_json)
    _decorate(where)


def history(
    entry: Annotated[str, typer.Argument(help="A registered entry, FAMILY.DATASET.")],
    picture: PICTURE = None,
    as_json: JSON = False,
) -> None:
    """Say who was champion of an entry, when and why, and what each version changed in code, data or recipe.

    Examples: [bold]zoo history fcn8s.camvid[/bold] · [bold]zoo history siamfc.otb --picture siamfc.png[/bold]
    """
    from flows.steps import changes
    from registry.glance import read
    from registry.history import history as tell

    where = settings()
    held = read(where, entry)
    told = tell(held if held.entries else read(where), entry, changes=lambda a, b: changes(a, b, where))
    if picture:
        _draw_history(told, picture)
        talk(f"drawn: {picture}")
    if as_json:
        typer.echo(json.dumps(_history(told), indent=2))
        return
    print_table([_reign(reign) for reign in told.reigns], title=f"{entry}: who reigned", spare=("until",))
    better = "higher" if told.metric.higher_is_better else "lower"
    rows = [
        {
            "version": step.version,
            "recipe": step.recipe,
            told.metric.name: measured(step.value, step.error),
            "verdict": step.verdict,
            "changed since the one before": _steps(step.changes, compares=step.compares),
        }
        for step in told.steps
    ]
    print_table(rows, title=f"Its versions; {better} is better", spare=("recipe",))


def compare(
    first: Annotated[str, typer.Argument(metavar="A", help="ENTRY@champion, ENTRY@latest or ENTRY/NUMBER.")],
    second: Annotated[str, typer.Argument(metavar="B", help="The same; of any entry scored under one protocol.")],
    picture: PICTURE = None,
    shown: Annotated[int, typer.Option("--units", min=1, help="How many units, of those that changed most.")] = 10,
    as_json: JSON = False,
) -> None:
    """Say how much better B is than A on the same units: by metric, by class, and on the units that changed most.

    A description, no verdict: nothing is staked. The picture shows those units as the data set and both models' own
    pictures have them.

    Examples: [bold]zoo compare fcn32s.camvid fcn8s.camvid[/bold] · [bold]zoo compare vit.digits/1 vit.digits/2[/bold]
    """
    from tempfile import TemporaryDirectory

    from registry.comparison import compare as find
    from registry.pull import resolve

    where = settings()
    a, b = resolve(first, where), resolve(second, where)
    with TemporaryDirectory() as scratch:
        found = find(a, b, where, Path(scratch), shown=shown)
        if picture:
            _draw_comparison(found, picture, where)
            talk(f"drawn: {picture}")
    if as_json:
        typer.echo(json.dumps(_comparison(found), indent=2))
        return
    _print_comparison(found)


def _decorate(where: Settings) -> None:
    """Bring MLflow's own pages and the HTML board up to date, as a night does; the champion is one already."""
    from flows.published import targets
    from registry.decoration import refresh
    from registry.glance import read

    try:
        refresh(where, targets=targets(read(where).entries, where))
    except Exception as error:  # whatever it is, what was asked for is done
        talk(f"warning: MLflow's pages stay as they were: {error} `zoo leaderboard --refresh` tries again.")


# Tables


def _told(version: str, said: "ByHand", *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"champion": version, **said.model_dump(mode="json")}, indent=2))
        return
    before = "the floor" if said.before is None else f"version {said.before}"
    typer.echo(f"{version} is champion, by hand of {said.who}, after {before}: {said.why}")


def _reign(reign: "Reign") -> dict[str, Any]:
    until = "now" if reign.now else "?"
    return {
        "champion": "the floor" if reign.version is None else f"version {reign.version}",
        "from": f"{reign.since.astimezone():%Y-%m-%d %H:%M}" if reign.since else "-",
        "until": f"{reign.until.astimezone():%Y-%m-%d %H:%M}" if reign.until else until,
        "by": f"{reign.how} ({reign.who})" if reign.who else reign.how,
        "why": reign.why,
    }


def _steps(changes: "Sequence[str]", *, compares: bool) -> str:
    told = ", ".join(changes) or "-"
    return told if compares or not changes else f"{told} (the two values do not compare)"


def _print_comparison(found: "Comparison") -> None:
    rows = [
        {
            "metric": each.metric,
            "A": each.first,
            "B": each.second,
            "gain of B": f"{each.gain:+.4g}" if each.error is None else f"{each.gain:+.4g} ± {each.error:.2g}",
            "95 %": interval(each.interval),
        }
        for each in found.differences
    ]
    print_table(rows, title=f"A = {found.first}, B = {found.second}: {found.second.protocol}, {found.unit_count} units")
    if not found.paired:
        talk("Units of these two are not the same things (samples), so there is nothing to compare one by one.")
    _print_parts(found.classes, title=f"{found.metric.name} by class, what changed most first")
    equal = found.unit_count - found.better - found.worse
    counts = f"B is better on {found.better}, worse on {found.worse}, neither on {equal}"
    _print_parts(found.changed, title=f"The units that changed most; {counts}")


def _print_parts(parts: "Sequence[Part]", *, title: str) -> None:
    rows = [{"": p.name, "A": p.first, "B": p.second, "gain of B": f"{p.gain:+.4g}"} for p in parts]
    print_table(rows, title=title)


# The same for programs


def _history(told: "History") -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "entry": told.entry,
        "metric": told.metric.name,
        "higher_is_better": told.metric.higher_is_better,
        "reigns": [
            {
                **asdict(reign),
                "since": reign.since.isoformat() if reign.since else None,
                "until": reign.until.isoformat() if reign.until else None,
            }
            for reign in told.reigns
        ],
        "versions": [{**asdict(step), "created": step.created.isoformat()} for step in told.steps],
    }


def _comparison(found: "Comparison") -> dict[str, Any]:
    from dataclasses import asdict

    def part(each: "Part") -> dict[str, Any]:
        return {"name": each.name, "first": each.first, "second": each.second, "gain": each.gain}

    return {
        "first": str(found.first),
        "second": str(found.second),
        "protocol": found.second.protocol,
        "data_digest": found.second.data_digest,
        "unit_count": found.unit_count,
        "better": found.better,
        "worse": found.worse,
        "differences": [asdict(each) for each in found.differences],
        "classes": [part(each) for each in found.classes],
        "changed": [part(each) for each in found.changed],
    }


# Pictures


def _draw_history(told: "History", file: Path) -> None:
    from zoo.drawing.history import CHANGES, Point, Span, metric_over_versions

    points = [
        Point(s.version, s.value, s.error, s.verdict, _shortened(", ".join(s.changes) or "the first", 3 * CHANGES))
        for s in told.steps
    ]
    _save(
        metric_over_versions(
            points,
            [step.created for step in told.steps],
            [Span(reign.version, reign.since, reign.until) for reign in told.reigns],
            title=told.entry,
            metric=told.metric.name,
            higher_is_better=told.metric.higher_is_better,
        ),
        file,
    )


def _draw_comparison(found: "Comparison", file: Path, where: Settings) -> None:
    from zoo.data.by_name import picture_of
    from zoo.data.pictures import read_rgb
    from zoo.drawing.comparison import gains, sheet, strip

    gain = found.differences[0].gain
    panels = {
        "by class": {part.name: part.gain for part in found.classes},
        "the units that changed most": {part.name: part.gain for part in found.changed},
    }
    if not any(panels.values()):
        panels = {"all": {each.metric: each.gain for each in found.differences}}
    title = f"{found.first} -> {found.second}: {found.metric.name} {gain:+.4g}"
    rows = [gains(panels, title=title, metric=found.metric.name)]
    scored = found.second.record.scored
    split = found.second.protocol.partition("/")[0].removeprefix(f"{scored}-")
    for part in found.changed[:PICTURES_SHOWN]:
        photo = picture_of(part.name, where.datasets / scored, split=split)
        told = f"{part.first:.4g} -> {part.second:.4g} ({part.gain:+.4g})"
        own = [
            strip(read_rgb(path), f"{part.name}, {side}")
            for path, side in zip(part.picture or (), ("A", "B"), strict=False)
        ]
        shown = [strip(photo, part.name, told)] if photo is not None else []
        rows += [*shown, *own]
    _save(sheet(rows), file)


def _save(picture: Any, file: Path) -> None:
    from io import BytesIO

    from PIL import Image

    from zoo.durable import write_atomically

    if file.suffix != ".png":
        raise ValueError(f"{file}: expected a file name that ends in .png.")
    buffer = BytesIO()
    Image.fromarray(picture).save(buffer, format="PNG")
    write_atomically(file, buffer.getvalue())


def _shortened(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
