"""`zoo pull`, `zoo verify` and `zoo cache`: registered models as folders, every byte of them checked."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.output import JSON, print_table, talk
from registry.settings import settings

if TYPE_CHECKING:
    from registry.cache import Cache
    from registry.transfer import Report

cache = typer.Typer(
    help="What was pulled from a server and is kept, so that no byte comes twice.", no_args_is_help=True
)

Offline = Annotated[bool, typer.Option("--offline", help="Ask no server: take what earlier pulls kept.")]
Only = Annotated[
    list[str] | None, typer.Option("--only", metavar="PATTERN", help="Only files like this, and the manifest (repeat).")
]
DAY = 86_400  # seconds


def pull(
    reference: Annotated[str, typer.Argument(metavar="REF", help="ENTRY@champion, ENTRY@latest or ENTRY/NUMBER.")],
    folder: Annotated[
        Path | None, typer.Argument(metavar="[DIR]", help="Where to; by default ENTRY-NUMBER here.")
    ] = None,
    only: Only = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace what an earlier pull left there: another version, changed files.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say which files would come; bring none.")] = False,
    offline: Offline = False,
    as_json: JSON = False,
) -> None:
    """Bring a registered model to a folder; `zoo.load(DIR)` makes a predictor of it.

    Exits 0 only if every byte there is the registered one; else the folder is as it was before. Stopped or killed, the
    same command goes on from there. A part (--only) cannot be loaded; the same command without it brings the rest.

    Examples: [bold]zoo pull siamfc.collage-track ./siamfc[/bold] · [bold]zoo pull siamfc.otb/3 --dry-run[/bold] ·
    [bold]zoo pull fcn8s.camvid@latest ./fcn8s --only 'evaluation/*' --only card.md[/bold]
    """
    from registry.pull import files, resolve
    from registry.pull import pull as bring

    where, patterns = settings(), tuple(only or ())
    if dry_run:
        version, listed = files(reference, where, only=patterns, offline=offline)
        rows = [
            {"file": file.name, "bytes": file.size, "here already": "yes" if file.cached else ""} for file in listed
        ]
        if as_json:
            typer.echo(json.dumps({"version": str(version), "files": [asdict(file) for file in listed]}, indent=2))
        else:
            print_table(rows, title=f"{version}")
        return
    if folder is None:
        version = resolve(reference, where, offline=offline)
        folder = Path(f"{version.entry}-{version.number}")
    with _bar() as report:
        version = bring(reference, folder, where, only=patterns, force=force, offline=offline, report=report)
    if as_json:
        outcome: dict[str, Any] = {"version": str(version), "folder": str(folder.resolve())}
        outcome |= {"manifest": version.manifest, "protocol": version.protocol}
        typer.echo(json.dumps(outcome | {"metrics": version.record.score.metrics}, indent=2))
    elif patterns:
        typer.echo(f"{version}: what was asked for is in {folder}, every file as registered.")
    else:
        typer.echo(f"{version} is in {folder}, every file as registered. In Python: zoo.load({str(folder)!r})")


def verify(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that `zoo pull` wrote.")],
    only: Only = None,
    manifest: Annotated[str, typer.Option(metavar="SHA256", help="What its manifest has to be.")] = "",
    as_json: JSON = False,
) -> None:
    """Hash every file of a pulled model against its manifest, offline; exits 1 and names what is wrong.

    What the manifest has to be, `zoo versions ENTRY --json` says; without --manifest the folder is held to its own.

    Examples: [bold]zoo verify ./siamfc[/bold] · [bold]zoo verify ./fcn8s --only 'evaluation/*'[/bold]
    """
    from registry.verifying import verified

    digest, checked, faults = verified(folder, only=tuple(only or ()), manifest=manifest)
    if as_json:
        told = {"folder": str(folder.resolve()), "manifest": digest, "files": checked, "faults": faults}
        typer.echo(json.dumps(told, indent=2))
    elif not faults:
        typer.echo(f"{folder}: {checked} files as sealed; manifest {digest}")
    else:
        for fault in faults:
            typer.echo(fault)
        talk(f"{folder} is not what was sealed. `zoo pull REF {folder} --force` brings it again.")
    raise typer.Exit(bool(faults))


@cache.command("ls")
def ls(as_json: JSON = False) -> None:
    """List what is kept of which version.

    Examples: [bold]zoo cache ls[/bold] · [bold]zoo cache ls --json[/bold]
    """
    kept = _cache()
    holdings = kept.holdings()
    number, size = kept.size()
    if as_json:
        versions = [asdict(holding) for holding in holdings]
        told = {"folder": str(kept.folder), "files": number, "bytes": size, "versions": versions}
        typer.echo(json.dumps(told, indent=2))
        return
    rows = [
        {
            "version": holding.version,
            "files": f"{holding.files} of {holding.of}",
            "size": _size(holding.bytes),
            "last used": f"{(time.time() - holding.used) / DAY:.0f} days ago",
        }
        for holding in holdings
    ]
    print_table(rows)
    typer.echo(f"{number} files, {_size(size)} in {kept.folder}")


@cache.command("prune")
def prune(
    unused_days: Annotated[
        float, typer.Option("--unused-days", min=0, help="Delete what was not used for so long; 0: all.")
    ] = 30,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say how much would go; delete nothing.")] = False,
    as_json: JSON = False,
) -> None:
    """Delete what was long not used, and what killed pulls left; pulled folders stay as they are.

    Examples: [bold]zoo cache prune[/bold] · [bold]zoo cache prune --unused-days 0 --dry-run[/bold]
    """
    number, size = _cache().prune(unused_days=unused_days, dry_run=dry_run)
    if as_json:
        typer.echo(json.dumps({"files": number, "bytes": size, "deleted": not dry_run}, indent=2))
    else:
        typer.echo(f"{number} files, {_size(size)}{' would go' if dry_run else ' deleted'}")


@cache.command("verify")
def verify_cache(as_json: JSON = False) -> None:
    """Hash every file that is kept; a damaged one is deleted and named, and the command exits 1.

    A pull does the same with those that it uses, so nothing damaged is ever handed out.

    Example: [bold]zoo cache verify[/bold]
    """
    kept = _cache()
    damaged = [str(path) for path in kept.verify()]
    if as_json:
        typer.echo(json.dumps({"folder": str(kept.folder), "damaged": damaged}, indent=2))
    else:
        for path in damaged:
            typer.echo(f"damaged, deleted: {path}")
        number, size = kept.size()
        typer.echo(f"{number} files, {_size(size)} are whole")
    raise typer.Exit(bool(damaged))


def _cache() -> "Cache":
    from registry.cache import Cache

    return Cache(settings().pulled_files)


@contextmanager
def _bar() -> Iterator["Report"]:
    """A bar for each file that arrives, on standard error where somebody watches."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    bars: dict[str, TaskID] = {}
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:

        def report(name: str, here: int, total: int | None) -> None:
            if name not in bars:
                bars[name] = progress.add_task(name, total=total)
            progress.update(bars[name], completed=here, total=total, visible=here != total)

        yield report


def _size(number: int) -> str:
    return f"{number / 1e6:.1f} MB"
