"""The night as a flow that a worker of a Prefect work pool runs (`zoo schedule` deploys it, `flows.deployments`).

    prefect deployment run night/mini

Nights that were missed, because the server or the worker was away, wait as late runs: the youngest of them does what
all of them would have done, and the others end as skipped. So does a run that finds a night at work. Who is at work is
known by the kernel's lock, not by a slot of Prefect's, which a killed night would leave taken.
"""

import os
import socket
import sys
from datetime import UTC, datetime
from typing import Annotated, Literal

from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.context import FlowRunContext
from prefect.states import Completed, Crashed
from pydantic import Field

from flows.graph import ended, on_page
from flows.journal import Journal, Plain, write, written_to
from flows.locks import AtWork
from flows.notice import nightly
from flows.summary import Asked
from registry.settings import settings

HERE = f"on {socket.gethostname()}, process "
MOST = 200  # runs of one deployment, the youngest, in one answer of Prefect's


@flow(name="night", flow_run_name=lambda: f"{datetime.now(UTC):%Y-%m-%dT%H%M%S}")
def night(
    lineup: Literal["quick", "mini", "real"] = "quick",
    only: str = "",
    seed: Annotated[int, Field(ge=0)] | None = None,
    force: bool = False,
) -> State[None]:
    """Train what changed, evaluate it, register it and ask the gate; skip, with proof, what did not change.

    Args:
        lineup: what to train: quick (seconds each), mini (minutes), real.
        only: a pattern of entries; what they need comes with them.
        seed: train every entry, and what it is built on, under this seed.
        force: train again what did not change; the same weights must come out.
    """
    with written_to(sys.stderr, form=Plain()), on_page():
        this = _this_run()
        if this:
            _sign(this)
            _bury_the_dead(this)
            younger = _younger(this)
            if younger:
                return _instead(f"missed; the one of {younger:%Y-%m-%d %H:%M} UTC does what this would have done")
        asked = Asked(lineup=lineup, only=only, seed=seed, force=force)
        try:
            summary = nightly(asked, settings=settings(), say=Journal().say, webhook=os.environ.get("ZOO_WEBHOOK", ""))
        except AtWork as error:
            return _instead(str(error))
        return ended(summary)


def _instead(why: str) -> State[None]:
    write(why)
    return Completed(name="Skipped", message=why)


def _this_run() -> FlowRun | None:
    """The run of a deployment that we are in, None where somebody called the flow by hand."""
    context = FlowRunContext.get()
    run = context.flow_run if context else None
    return run if run and run.deployment_id else None


def _younger(this: FlowRun) -> datetime | None:
    """When the youngest run of this schedule was due, where that is later than this one and not in the future."""
    if not this.auto_scheduled or this.expected_start_time is None:
        return None  # somebody asked for this very run
    due = FlowRunFilterExpectedStartTime(after_=this.expected_start_time, before_=datetime.now(UTC))
    for run in _runs(this, FlowRunFilter(expected_start_time=due)):
        later = run.expected_start_time
        if run.auto_scheduled and run.id != this.id and later and later > this.expected_start_time:
            return later
    return None


def _sign(this: FlowRun) -> None:
    """Say on this run's page which process of which machine it is."""
    with get_client(sync_client=True) as client:
        client.update_flow_run(this.id, tags=[*this.tags, HERE + str(os.getpid())])


def _bury_the_dead(this: FlowRun) -> None:
    """Runs of this deployment that were killed on this machine, with their worker: Prefect would show them for ever."""
    running = FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.RUNNING]))
    for run in _runs(this, FlowRunFilter(state=running)):
        processes = [int(tag.removeprefix(HERE)) for tag in run.tags if tag.startswith(HERE)]
        if processes and run.id != this.id and not any(map(_lives, processes)):
            crashed: State[None] = Crashed(message="its process is gone; what it had made is kept")
            with get_client(sync_client=True) as client:
                client.set_flow_run_state(run.id, crashed, force=True)


def _runs(this: FlowRun, which: FlowRunFilter) -> list[FlowRun]:
    """Runs of the same deployment, the youngest first."""
    with get_client(sync_client=True) as client:
        return client.read_flow_runs(
            deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[this.deployment_id]))
            if this.deployment_id
            else None,
            flow_run_filter=which,
            sort=FlowRunSort.EXPECTED_START_TIME_DESC,
            limit=MOST,
        )


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
