"""`zoo predict`: a registered or pulled model asked about pictures, pairs, videos, or for new pictures."""

import json
from itertools import chain
from itertools import count as count_from
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.output import JSON, print_table, talk
from registry.settings import settings

if TYPE_CHECKING:
    from zoo.tasks.tracking import Box
    from zoo.using.models import Answer


def predict(
    model: Annotated[str, typer.Argument(metavar="REF_OR_DIR", help="ENTRY@champion, ENTRY/NUMBER, or its folder.")],
    inputs: Annotated[
        list[Path] | None, typer.Argument(metavar="[INPUT]...", help="Pictures, videos or folders; none for a sampler.")
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="Where a picture for each input is written.")
    ] = Path("predictions"),
    box: Annotated[
        str | None, typer.Option(metavar="LEFT,TOP,WIDTH,HEIGHT", help="A tracker's object in the first frame, pixels.")
    ] = None,
    count: Annotated[int | None, typer.Option(min=1, help="How many pictures a sampler draws (16).")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="What decides a sampler's pictures (0).")] = None,
    as_json: JSON = False,
) -> None:
    """Ask a model: a line for each input with class names, and a picture of each answer in DIR.

    Pictures go to classifiers, segmenters, detectors and densities; two pictures or a folder of frames to flow; videos
    to action recognisers; a folder of frames to a tracker; nothing to a sampler. Exits 1 at the first input that cannot
    be answered.

    Examples: [bold]zoo predict fcn8s.collage-seg@champion street.jpg -o out[/bold] ·
    [bold]zoo predict ./raft first.png second.png[/bold] ·
    [bold]zoo predict siamfc.otb/3 ./frames --box 10,20,64,48[/bold] ·
    [bold]zoo predict wgan-gp.digits --count 64 --seed 1[/bold]
    """
    first = None if box is None else _box(box)
    folder = _folder(model)
    from zoo.using.models import Asked, use

    asked = Asked(inputs=tuple(inputs or ()), box=first, count=count, seed=seed)
    told, rows = [], []
    taken: set[Path] = set()
    for answer in use(folder).answers(asked):
        picture = _written(answer, out, taken=taken)
        told.append({"input": answer.name, "picture": str(picture), **answer.result.told()})
        rows.append({"input": answer.name, **answer.result.row()})
    if as_json:
        typer.echo(json.dumps(told, indent=2))
    else:
        print_table(rows)
        talk(f"{len(rows)} {'picture is' if len(rows) == 1 else 'pictures are'} in {out}")


def _folder(model: str) -> Path:
    """The folder of a model; what is registered is pulled into the zoo's home first, if it is not there."""
    if Path(model).is_dir():
        return Path(model)
    from flows.runs import pulled
    from registry.pull import resolve

    where = settings()
    return pulled(resolve(model, where), where)


def _written(answer: "Answer", out: Path, *, taken: set[Path]) -> Path:
    """The picture of an answer, in a file of its own: a name that another input took gets a number."""
    from PIL import Image

    out.mkdir(parents=True, exist_ok=True)
    names = chain([answer.name], (f"{answer.name}-{number}" for number in count_from(2)))
    path = next(path for name in names if (path := out / f"{name}.png") not in taken)
    taken.add(path)
    Image.fromarray(answer.picture).save(path)
    return path


def _box(text: str) -> "Box":
    from zoo.tasks.tracking import Box

    values: list[Any] = text.split(",")
    try:
        return Box(*map(float, values))
    except (TypeError, ValueError):
        raise ValueError(f"--box {text}: expected LEFT,TOP,WIDTH,HEIGHT in pixels, as in 10,20,64,48.") from None
