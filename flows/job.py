"""What a night and the worker that trains one entry say to each other: a job, events, maybe a failure."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from flows.fingerprint import Ingredients
from zoo.durable import write_atomically
from zoo.entry import Entry


class Job(BaseModel):
    """What a worker makes in its run folder (`job.json`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    entry: Entry
    recipe_name: str
    ingredients: Ingredients
    datasets: Path
    upstream: dict[str, Path]  # entry -> sealed folder that holds it
    cache: Path
    weights: Path | None = None  # sealed folder of the same `trains`: score that, train nothing

    def write(self, folder: Path) -> None:
        """Leave it where the worker looks for it."""
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / "job.json", self.model_dump_json(indent=2).encode())

    @staticmethod
    def read(folder: Path) -> "Job":
        """The job of a run folder.

        Raises:
            ValueError: it is damaged.
        """
        return Job.model_validate_json((folder / "job.json").read_bytes())


class Event(BaseModel):
    """What is said while an entry is made; by a worker as one JSON line on its standard output."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["planned", "note", "starting", "training", "evaluating", "sealing", "warning", "failed", "done"]
    text: str = ""
    step: int = 0
    steps: int = 0
    per_second: float = 0.0
    scalars: dict[str, float] = {}


class Failure(BaseModel):
    """Why a run ended before its model was sealed, and what to do (`failure.json`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str  # name of the exception, or of the signal that killed the worker
    message: str
    traceback: str = ""

    def write(self, folder: Path) -> None:
        """Leave it where a person and the night look for it."""
        write_atomically(folder / "failure.json", self.model_dump_json(indent=2).encode())

    @staticmethod
    def of(folder: Path) -> "Failure | None":
        """The failure that a run folder tells of."""
        try:
            return Failure.model_validate_json((folder / "failure.json").read_bytes())
        except (FileNotFoundError, ValueError):  # none, or cut short by what made the worker fail
            return None
