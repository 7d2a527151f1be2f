"""Schedules: Prefect deployments of the night, in a work pool whose worker runs them in the project they belong to.

What is scheduled is the flow of the installed package (`flows.scheduled`), with the project's folder and ZOO_HOME in
its environment; secrets, which everybody would see on Prefect's pages, stay in the environment of the worker.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate, WorkPoolCreate
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    WorkPoolFilter,
    WorkPoolFilterName,
)
from prefect.client.schemas.objects import FlowRun, StateType, WorkPoolStatus
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import CronSchedule
from prefect.client.schemas.sorting import DeploymentSort, FlowRunSort
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound, PrefectHTTPStatusError
from prefect.server.schemas.schedules import CronSchedule as ServedSchedule
from prefect.utilities.callables import parameter_schema
from pydantic import ValidationError

from flows.scheduled import night
from flows.service.prefect import POOL
from flows.summary import Asked
from registry.settings import Settings

MOST = 200  # schedules, in one answer of Prefect's
SHOWN = 200  # characters of an answer that was not expected
BEGUN = [StateType.RUNNING, StateType.COMPLETED, StateType.FAILED, StateType.CRASHED, StateType.CANCELLED]


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """A night that Prefect starts by itself."""

    name: str
    cron: str
    timezone: str
    asked: Asked
    active: bool
    due: datetime | None  # the next one, as far as the server has planned it
    last: str  # how the last one ended, in Prefect's words
    last_began: datetime | None
    project: str


def schedule(name: str, cron: str, *, timezone: str, asked: Asked, settings: Settings) -> datetime:
    """Have this night run at these times, instead of what was scheduled by this name; returns the next time.

    Raises:
        ValueError: the times are none, or Prefect refuses.
        ConnectionError: the server does not answer.
    """
    times, first = _times(cron, timezone)
    with _prefect() as client:
        with suppress(ObjectAlreadyExists):
            client.create_work_pool(WorkPoolCreate(name=POOL, type="process", description="Nights of nightzoo."))
        client.create_deployment(
            client.create_flow_from_name(night.name),
            name=name,
            description="`zoo night`, by the clock.",
            entrypoint=f"{night.fn.__module__}.{night.fn.__name__}",  # of the installed package, not of a file
            # A worker would otherwise copy the folder it runs in before each night. It puts that folder before the
            # installed packages, so it must be none of a person's: a project may have a `flows` of its own.
            pull_steps=[{"prefect.deployments.steps.set_working_directory": {"directory": str(settings.home)}}],
            work_pool_name=POOL,
            job_variables={"working_dir": str(settings.home), "env": environment(settings)},
            schedules=[DeploymentScheduleCreate(schedule=times, active=True)],
            parameters=asked.model_dump(),
            parameter_openapi_schema=parameter_schema(night.fn).model_dump(exclude_unset=True),
            enforce_parameter_schema=True,
            paused=False,
        )
    return first


def schedules() -> list[Schedule]:
    """All that are deployed in the pool, by name."""
    with _prefect() as client:
        return [_described(client, deployment) for deployment in _deployments(client)]


def worker_is_up() -> bool:
    """Whether somebody waits at the pool for a night to begin."""
    with _prefect() as client:
        try:
            return client.read_work_pool(POOL).status == WorkPoolStatus.READY
        except ObjectNotFound:
            return False


def pause(name: str) -> None:
    """Start no more nights of this schedule until `resume`; one that runs goes on."""
    with _prefect() as client:
        client.pause_deployment(_named(client, name).id)


def resume(name: str) -> None:
    """Undo `pause`; nights that were due meanwhile are not made up for."""
    with _prefect() as client:
        client.resume_deployment(_named(client, name).id)


def remove(name: str) -> None:
    """Forget a schedule; what its nights made stays."""
    with _prefect() as client:
        client.delete_deployment(_named(client, name).id)


def run_now(name: str) -> str:
    """Have the worker start this night at once; the address of its page."""
    with _prefect() as client:
        run = client.create_flow_run_from_deployment(_named(client, name).id)
        return f"{str(client.api_url).rstrip('/').removesuffix('/api')}/runs/flow-run/{run.id}"


@contextmanager
def _prefect() -> Iterator[SyncPrefectClient]:
    """Prefect's client; what it refuses is said in one line."""
    try:
        with get_client(sync_client=True) as client:
            yield client
    except PrefectHTTPStatusError as error:
        raise ConnectionError(
            f"{error.request.url}: Prefect's server answered HTTP {error.response.status_code}, "
            f"{error.response.text[:SHOWN]!r}. If it asks who you are, set PREFECT_API_AUTH_STRING or PREFECT_API_KEY."
        ) from error


def _times(cron: str, timezone: str) -> tuple[CronSchedule, datetime]:
    """A schedule, and the first time that it names."""
    try:
        times = CronSchedule(cron=cron, timezone=timezone)
    except ValidationError as error:
        raise ValueError(
            "; ".join(_corrected(str(each["loc"][0]), cron, timezone) for each in error.errors())
        ) from None
    try:
        dates = asyncio.run(ServedSchedule(cron=cron, timezone=timezone).get_dates(1))
    except ValueError:
        dates = []
    if not dates:
        raise ValueError(f"{cron!r} names a time that never comes. {EXPECTED['cron']}")
    return times, dates[0]


EXPECTED = {
    "cron": "Expected minute, hour, day, month and weekday, as in '0 2 * * *' (02:00 every night).",
    "timezone": "Expected a name of the IANA database, as in Europe/Berlin or UTC.",
}


def _corrected(what: str, cron: str, timezone: str) -> str:
    return (
        f"{cron!r} is no cron expression. {EXPECTED['cron']}"
        if what == "cron"
        else (f"{timezone!r} is no time zone. {EXPECTED['timezone']}")
    )


def environment(settings: Settings) -> dict[str, str]:
    """What makes a worker's process run in this project; no address with a password in it."""
    environment = {
        "ZOO_PROJECT": str(settings.project),
        "ZOO_HOME": str(settings.home),
        "PYTHONSAFEPATH": "1",  # what lies in the project folder is not what the night is
    }
    if not settings.embedded and "@" not in settings.tracking_uri:
        environment["MLFLOW_TRACKING_URI"] = settings.tracking_uri
    return environment


def _deployments(client: SyncPrefectClient) -> list[DeploymentResponse]:
    return client.read_deployments(
        flow_filter=FlowFilter(name=FlowFilterName(any_=[night.name])),
        work_pool_filter=WorkPoolFilter(name=WorkPoolFilterName(any_=[POOL])),
        sort=DeploymentSort.NAME_ASC,
        limit=MOST,
    )


def _named(client: SyncPrefectClient, name: str) -> DeploymentResponse:
    deployments = {deployment.name: deployment for deployment in _deployments(client)}
    if name not in deployments:
        raise ValueError(f"no schedule {name!r}; there are: {', '.join(deployments) or 'none'}.")
    return deployments[name]


def _described(client: SyncPrefectClient, deployment: DeploymentResponse) -> Schedule:
    times = next((each.schedule for each in deployment.schedules if isinstance(each.schedule, CronSchedule)), None)
    planned = _runs(client, deployment, [StateType.SCHEDULED], FlowRunSort.NEXT_SCHEDULED_START_TIME_ASC)
    last = _runs(client, deployment, BEGUN, FlowRunSort.START_TIME_DESC)
    return Schedule(
        name=deployment.name,
        cron=times.cron if times else "",
        timezone=(times.timezone if times else None) or "UTC",
        asked=Asked.model_validate(deployment.parameters),
        active=not deployment.paused,
        due=planned.next_scheduled_start_time if planned else None,
        last=(last.state_name or "") if last else "",
        last_began=last.start_time if last else None,
        project=deployment.job_variables.get("env", {}).get("ZOO_PROJECT", ""),
    )


def _runs(
    client: SyncPrefectClient, deployment: DeploymentResponse, states: list[StateType], order: FlowRunSort
) -> FlowRun | None:
    """The first run of a deployment in this order."""
    found = client.read_flow_runs(
        deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[deployment.id])),
        flow_run_filter=FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=states))),
        sort=order,
        limit=1,
    )
    return found[0] if found else None
