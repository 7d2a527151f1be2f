"""Work that waits for other work, as a Prefect flow of one task each: the only file that imports Prefect.

A task that fails keeps from running those that need it, and nobody else.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prefect import flow, task
from prefect.futures import PrefectFuture
from prefect.logging.configuration import ensure_logging_setup
from prefect.task_runners import ThreadPoolTaskRunner


@dataclass(frozen=True)
class Work:
    """Something to do once everything that it needs has been done."""

    do: Callable[[], None]
    needs: Sequence[str] = ()


def run(name: str, works: Mapping[str, Work], *, log: Path) -> set[str]:
    """Do all works, each after those it needs; the names of those that were done.

    Args:
        name: of the flow run.
        works: by name; what one needs comes before it.
        log: Prefect's own messages go there instead of on the terminal.
    """
    _log_to(log)
    runner: Any = ThreadPoolTaskRunner(max_workers=len(works))  # waiting costs a thread, and no slot of a worker

    @flow(name="night", flow_run_name=name, task_runner=runner)
    def night() -> set[str]:
        futures: dict[str, PrefectFuture[None]] = {}
        for key, work in works.items():
            work_task = task(name=key, task_run_name=key)(work.do)
            futures[key] = work_task.submit(return_state=False, wait_for=[futures[needed] for needed in work.needs])
        for future in futures.values():
            future.wait()
        return {key for key, future in futures.items() if future.state.is_completed()}

    return night()


def _log_to(path: Path) -> None:
    """Send Prefect's messages to a file instead of the terminal; what it sends to its API still goes there."""
    ensure_logging_setup()
    handler = logging.FileHandler(path)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logger = logging.getLogger("prefect")
    logger.handlers = [handler]
    logger.propagate = False
