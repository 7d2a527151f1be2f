"""Run a predictor over a benchmark: the one place that decides where and how, and keeps what a floor scored."""

import json
import shutil
import warnings
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from zoo.artifact import seal, verify
from zoo.contracts import Benchmark
from zoo.evaluation.stage import Device, Report, Stage, unwatched
from zoo.scoring.units import Evaluated


def evaluate(benchmark: Benchmark, predictor: Any, *, device: Device = "cpu", report: Report = unwatched) -> Evaluated:
    """What a predictor scores on a benchmark, computed on a device, in evaluation mode and without gradients.

    Args:
        predictor: behind the interface of the benchmark's task; a module is left on the device, in evaluation mode.
        report: told after each piece of the work how many are done, and of how many.
    """
    stage = Stage(device, report)
    return benchmark.evaluate(stage.place(predictor), stage)


def kept_floor(
    benchmark: Benchmark, *, key: str, cache: Path | None, device: Device = "cpu", report: Report = unwatched
) -> tuple[str, Evaluated]:
    """The best trivial method's name and what it scores: out of the cache if it lies there whole, else scored and kept.

    Args:
        key: a digest of everything that decides the floor's numbers; a name in the file system.
        cache: what is costly to compute again is kept there; none: nowhere.
    """
    folder = None if cache is None else cache / "floors" / key
    if folder is not None and folder.is_dir():
        try:
            verify(folder)
            return json.loads((folder / "method.json").read_bytes()), Evaluated.read(folder)
        except (OSError, ValueError) as error:
            warnings.warn(f"a kept floor is damaged and scored again: {error}", stacklevel=2)
            shutil.rmtree(folder, ignore_errors=True)
    method, trivial = benchmark.floor()
    scored = evaluate(benchmark, trivial, device=device, report=report)
    if folder is not None:
        _keep(method, scored, folder)
    return method, scored


def _keep(method: str, scored: Evaluated, folder: Path) -> None:
    """Written aside and renamed: whoever reads finds all of it or none. Of two that keep at once, the first wins."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        scored.write(aside)
        (aside / "method.json").write_text(json.dumps(method))
        seal(aside)
        aside.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)
