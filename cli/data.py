"""`zoo data`: which data sets there are, and that their bytes are the recorded ones."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import convert
from cli.output import JSON, print_table, talk

if TYPE_CHECKING:
    from registry.settings import Settings
    from zoo.data.sources import Source

app = typer.Typer(help="Make, bring in, verify and share data sets.", no_args_is_help=True)
app.add_typer(convert.app, name="convert")

TOLD = 10  # items that are left out; the file names all
SkipBad = Annotated[
    bool, typer.Option("--skip-bad", help="Leave absent and damaged items out, count and name them, and go on.")
]
Names = Annotated[
    list[str] | None, typer.Argument(metavar="[NAME]...", help="Data sets; all of them if none is named.")
]


@app.command()
def ls(as_json: JSON = False) -> None:
    """List the data sets that are here, recorded, or can be made.

    Examples: [bold]zoo data ls[/bold] · [bold]zoo data ls --json[/bold]
    """
    from flows.datasets import commands
    from registry.settings import settings

    rows = [
        {
            "dataset": found.name,
            "state": found.state,
            "files": found.files,
            "MB": round(found.size / 1e6, 2),
            "digest": found.digest if as_json else found.digest[:12],
            "what": found.title,
        }
        for found in commands.ls(settings())
    ]
    print_table(rows, as_json=as_json)


@app.command()
def make(
    names: Names = None,
    accept: Annotated[
        bool, typer.Option("--accept", help="Record other bytes than datasets.dvc says must come out.")
    ] = False,
) -> None:
    """Make data sets from pictures that scikit-image and scikit-learn ship: nothing is downloaded.

    Two makings give the same bytes. Where datasets.dvc records other ones, this says so and exits 1.

    Examples: [bold]zoo data make[/bold] · [bold]zoo data make collage-seg[/bold]
    """
    from flows.datasets import commands
    from flows.datasets.manifest import digests
    from registry.settings import settings

    talk("making (about twenty seconds) and recording ...")
    here = settings()
    _print(digests(commands.make(names or (), here, accept=accept), here))


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="What it shall be called.")],
    path: Annotated[Path, typer.Argument(help="The folder where it lies, in its official layout.")],
    skip_bad: SkipBad = False,
) -> None:
    """Copy a data set you have into datasets/ and record it; one of a known layout is read from end to end first.

    What --skip-bad leaves out is recorded in left-out.tsv as part of the data, so that a score on a cut set never
    passes for one on the whole.

    Examples: [bold]zoo data add camvid ~/CamVid[/bold] · [bold]zoo data add ucf101 ~/UCF-101 --skip-bad[/bold]
    """
    from flows.datasets import commands
    from registry.settings import settings

    here = settings()
    _announce(here)
    talk(f"reading {path} ...")
    _added(name, commands.add(name, path, here, skip_bad=skip_bad))


@app.command()
def fetch(
    name: Annotated[str, typer.Argument(help="A data set whose source is known; none lists them.")] = "",
    skip_bad: SkipBad = False,
    as_json: JSON = False,
) -> None:
    """Fetch a data set from its official source, verify it, unpack it and record it; an interrupted fetch goes on.

    Without a name: the known sources with size, checksum and licence, which binds you.

    Examples: [bold]zoo data fetch[/bold] · [bold]zoo data fetch cifar10[/bold]
    """
    from zoo.data.sources import SOURCES, source

    if not name:
        print_table([_row(known, official) for known, official in SOURCES.items()], as_json=as_json)
        return
    official = source(name)
    talk(f"{official.title}\n{official.page}\nlicence: {official.licence}")
    if unknown := [file.name for file in official.files if not file.checksum]:
        talk(f"no checksum is known for {', '.join(unknown)}: their bytes are recorded as they come")
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    from flows.fetch import fetch as bring
    from registry.settings import settings

    here = settings()
    _announce(here)
    columns = ("{task.description}", BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bars = {file.name: progress.add_task(file.name, start=False, visible=False) for file in official.files}

        def report(file: str, done: int, total: int | None) -> None:
            progress.start_task(bars[file])
            progress.update(bars[file], completed=done, total=total, visible=True)

        words = bring(name, here, sources=SOURCES, skip_bad=skip_bad, report=report)
    _added(name, words)


def _added(name: str, words: str | None) -> None:
    """What a data set turned out to be, and what had to be left out of it."""
    from flows.datasets.manifest import digests
    from registry.settings import settings
    from zoo.data.left_out import FILE, left_out

    here = settings()
    faults = left_out(here.datasets / name)
    for item, fault in list(faults.items())[:TOLD]:
        talk(f"left out {item}: {fault}")
    if faults:
        talk(f"left out {len(faults)} in all, named in datasets/{name}/{FILE}")
    talk(words or "recorded as it is: no reader of the zoo knows this layout")
    _print(digests([name], here))


def _announce(here: "Settings") -> None:
    """Why adding one data set takes longer in a fresh clone."""
    from flows.datasets.recording import made_along

    if absent := [name for name in made_along(here) if not (here.datasets / name).exists()]:
        talk(f"this clone has no data yet: {', '.join(absent)} will be made first (about half a minute)")


def _print(digests: Mapping[str, str]) -> None:
    for name, digest in digests.items():
        typer.echo(f"{name}  {digest}")


def _row(name: str, official: "Source") -> dict[str, object]:
    sizes, sums = [file.size for file in official.files], [file.checksum for file in official.files]
    known = [size for size in sizes if size is not None]
    return {
        "dataset": name,
        "MB": round(sum(known) / 1e6, 1) if len(known) == len(sizes) else None,
        "checksums": f"{sum(map(bool, sums))} of {len(sums)} known",
        "licence": official.licence,
        "what": official.title,
        "page": official.page,
    }


@app.command()
def verify(names: Names = None, as_json: JSON = False) -> None:
    """Hash every byte of data sets and of DVC's cache; exits 1 and names what differs.

    Examples: [bold]zoo data verify[/bold] · [bold]zoo data verify otb --json[/bold]
    """
    from flows.datasets import commands
    from flows.datasets.manifest import Manifest
    from flows.datasets.verifying import verify as verified
    from registry.settings import settings

    here = settings()
    manifest = Manifest(here)
    rows = []
    for name in commands.chosen(names or (), here):
        try:
            rows.append({"dataset": name, "digest": verified(name, manifest), "wrong": ""})
        except ValueError as error:
            rows.append({"dataset": name, "digest": "", "wrong": str(error)})
    print_table(rows, as_json=as_json)
    if wrong := [row["dataset"] for row in rows if row["wrong"]]:
        raise ValueError(f"not as recorded: {', '.join(wrong)}")


@app.command()
def pull(names: Names = None) -> None:
    """Bring recorded data sets from the DVC remote, and hash every byte that came.

    Examples: [bold]zoo data pull[/bold] · [bold]zoo data pull camvid[/bold]
    """
    from flows.datasets import commands
    from flows.datasets.manifest import digests
    from registry.settings import settings

    talk("pulling ...")
    here = settings()
    _print(digests(commands.pull(names or (), here), here))


@app.command()
def push(names: Names = None) -> None:
    """Bring recorded data sets to the DVC remote: the project's own, or a folder in $ZOO_HOME where it has none.

    Examples: [bold]zoo data push[/bold] · [bold]zoo data push otb[/bold]
    """
    from flows.datasets import commands
    from flows.datasets.manifest import digests
    from registry.settings import settings

    talk("verifying and pushing ...")
    here = settings()
    _print(digests(commands.push(names or (), here), here))
