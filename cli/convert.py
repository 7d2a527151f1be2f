"""`zoo data convert`: data sets whose official layout nothing here trains on, brought into one that it does."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cli.output import talk

if TYPE_CHECKING:
    from zoo.data.convert.outcome import Converted, Report

app = typer.Typer(
    help="Bring a data set you have into a layout that is read here, and record it.",
    epilog="Examples: zoo data convert voc-sbd VOC2012 benchmark_RELEASE voc-sbd --val seg11valid.txt · "
    "zoo data convert imagenet-vid ILSVRC2015 imagenet-vid · zoo data convert vot VOT vot-otb · "
    "zoo data convert pictures img_align_celeba celeba --size 64 --crop celeba",
    no_args_is_help=True,
)

Name = Annotated[str, typer.Argument(help="What it shall be called; recipes say which name they expect.")]


@app.command()
def voc_sbd(
    voc: Annotated[Path, typer.Argument(help="VOC 2012 or 2011, as unpacked.")],
    sbd: Annotated[Path, typer.Argument(help="SBD, as unpacked: benchmark_RELEASE.")],
    name: Name,
    val: Annotated[
        Path | None,
        typer.Option(
            help="List to validate on: VOC 2011's val.txt, or seg11valid.txt of FCN's authors; else VOC's own."
        ),
    ] = None,
) -> None:
    """SBD's labels to train on, VOC's to validate on, as FCN has them: .mat files become PNGs.

    What SBD trains on is left out of validation: 736 pictures of VOC 2011 remain, seg11valid.

    Examples: [bold]zoo data convert voc-sbd VOCdevkit/VOC2012 benchmark_RELEASE voc-sbd --val seg11valid.txt[/bold]
    """
    from zoo.data.convert.voc_sbd import convert_voc_sbd

    _run(name, lambda folder, report: convert_voc_sbd(voc, sbd, folder, val=val, report=report))


@app.command()
def cityscapes(
    source: Annotated[Path, typer.Argument(help="The folder with leftImg8bit/ and gtFine/, as unpacked.")], name: Name
) -> None:
    """Cityscapes' things of eight classes, one by one, in the layout of COCO, for detectors.

    Examples: [bold]zoo data convert cityscapes ~/cityscapes cityscapes[/bold]
    """
    from zoo.data.convert.cityscapes import convert_cityscapes

    _run(name, lambda folder, report: convert_cityscapes(source, folder, report=report))


@app.command()
def imagenet_vid(
    source: Annotated[Path, typer.Argument(help="ILSVRC2015, with Annotations/VID and Data/VID.")], name: Name
) -> None:
    """ImageNet VID as a sequence for every object, as SiamFC trains on.

    Frames are copied once, into datasets/ (86 GB), never changed; the last tenth of the snippets is held out as val.

    Examples: [bold]zoo data convert imagenet-vid ~/ILSVRC2015 imagenet-vid[/bold]
    """
    from zoo.data.convert.imagenet_vid import convert_imagenet_vid

    _run(name, lambda folder, report: convert_imagenet_vid(source, folder, report=report))


@app.command()
def vot(
    source: Annotated[Path, typer.Argument(help="Folder with 2013/, 2014/ and 2015/ of VOT in it.")], name: Name
) -> None:
    """VOT 2013 to 2015 without the sequences that are OTB's, as MDNet trains on.

    Examples: [bold]zoo data convert vot ~/VOT vot-otb[/bold]
    """
    from zoo.data.convert.vot import convert_vot

    _run(name, lambda folder, report: convert_vot(source, folder, report=report))


@app.command()
def pictures(
    source: Annotated[Path, typer.Argument(help="A folder with pictures in it or below.")],
    name: Name,
    size: Annotated[int, typer.Option(min=8, help="Side in pixels.")],
    crop: Annotated[
        Literal["center", "celeba", "none"],
        typer.Option(
            help="center: the largest square; celeba: 128 pixels around the face of CelebA's aligned pictures; none: "
            "all of a picture, its proportions lost."
        ),
    ] = "center",
    skip_bad: Annotated[
        bool,
        typer.Option("--skip-bad", help="Leave damaged and too small pictures out, count and name them, and go on."),
    ] = False,
) -> None:
    """Pictures of any size as squares of one size, for models of pictures: LSUN, CelebA, FFHQ, ImageNet.

    A folder with train/, val/ or test/ keeps them and the classes in them. LSUN's databases go to files first, by
    LSUN's own tool.

    Examples: [bold]zoo data convert pictures bedroom_train lsun-bedroom --size 64[/bold] ·
    [bold]zoo data convert pictures img_align_celeba celeba --size 64 --crop celeba[/bold]
    """
    from zoo.data.convert.pictures import convert_pictures

    _run(
        name,
        lambda folder, report: convert_pictures(source, folder, size=size, crop=crop, skip_bad=skip_bad, report=report),
    )


def _run(name: str, conversion: "Callable[[Path, Report], Converted]") -> None:
    """Convert with a bar, and say what came of it."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    from flows.convert import convert
    from registry.settings import settings

    columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task(name, total=None)

        def report(done: int, total: int) -> None:
            progress.update(bar, completed=done, total=total)
            if done == total:
                progress.update(bar, description=f"{name}: reading and recording")

        recorded = convert(name, settings(), lambda folder: conversion(folder, report))
    talk("written: " + ", ".join(f"{count:,} {what}" for what, count in recorded.converted.counts.items()))
    for remark in recorded.converted.remarks:
        talk(remark)
    talk(recorded.words or "recorded as it is: no reader of the zoo knows this layout")
    typer.echo(f"{name}  {recorded.digest}")
