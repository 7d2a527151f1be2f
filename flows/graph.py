"""Work that waits for other work, as one Prefect task each.

A task that fails keeps from running those that need it, and nobody else. The tasks belong to the flow run that the
night is in: one that a worker started for a schedule (`flows.scheduled`), else one of its own with the same
parameters, so that Prefect's pages show both alike.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prefect import flow, task
from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext, TaskRunContext
from prefect.futures import PrefectFuture
from prefect.logging.configuration import ensure_logging_setup
from prefect.logging.handlers import APILogHandler
from prefect.states import Completed, Failed
from prefect.task_runners import ThreadPoolTaskRunner

from flows.journal import LOG
from flows.summary import Asked, Summary
from flows.telling import as_markdown


@dataclass(frozen=True)
class Work:
    """Something to do once everything that it needs has been done."""

    do: Callable[[], None]
    needs: Sequence[str] = ()


def run(name: str, works: Mapping[str, Work], *, asked: Asked, log: Path, summary: Callable[[], Summary]) -> None:
    """Do all works, each after those it needs.

    Args:
        name: of the flow run.
        works: by name; what one needs comes before it.
        asked: the flow run's parameters.
        log: Prefect's own messages go there instead of on the terminal.
        summary: what the night has done, asked for once the works are over; shown as the flow run's artifact.
    """
    _log_to(log)
    if FlowRunContext.get():
        return _do(works)
    runner: Any = ThreadPoolTaskRunner(max_workers=len(works))  # waiting costs a thread, and no slot of a worker

    @flow(name="night", flow_run_name=name, task_runner=runner)
    def night(lineup: str, only: str, seed: int | None, force: bool) -> State[None]:  # noqa: ARG001  for Prefect's page
        with on_page():
            _do(works)
            return ended(summary())

    night(**asked.model_dump(), return_state=True)
    return None


def ended(summary: Summary) -> State[None]:
    """Show what the night did as an artifact of the flow run we are in; the state that this run ends in."""
    create_markdown_artifact(as_markdown(summary), key="night", description=summary.headline)
    return Completed(message=summary.headline) if summary.good else Failed(message=summary.headline)


@contextmanager
def on_page() -> Iterator[None]:
    """Let the journal's lines appear on the page of the flow or task run that they are written in."""
    handler = APILogHandler(level=logging.INFO)
    handler.addFilter(lambda _: _in_run())
    LOG.addHandler(handler)
    try:
        yield
    finally:
        LOG.removeHandler(handler)


def _do(works: Mapping[str, Work]) -> None:
    futures: dict[str, PrefectFuture[None]] = {}
    for key, work in works.items():
        work_task = task(name=key, task_run_name=key)(work.do)
        futures[key] = work_task.submit(return_state=False, wait_for=[futures[needed] for needed in work.needs])
    for future in futures.values():
        future.wait()


def _in_run() -> bool:
    """Whether Prefect knows where a line of this thread belongs."""
    return FlowRunContext.get() is not None or TaskRunContext.get() is not None


def _log_to(path: Path) -> None:
    """Send Prefect's messages to a file instead of the terminal; what it sends to its API still goes there."""
    ensure_logging_setup()
    handler = logging.FileHandler(path)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logger = logging.getLogger("prefect")
    logger.handlers = [handler]
    logger.propagate = False
