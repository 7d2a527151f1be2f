"""What is up, what the night does, what is scheduled: from files, from locks, and from Prefect where it is up."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from flows.job import Job
from flows.service.prefect import POOL, ask
from flows.service.servers import NAMES, WORKER, expected, prefect_api_url
from registry.service import Program, is_held, lock_of, recorded
from registry.settings import Settings

NEVER = datetime.max.replace(tzinfo=UTC)


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Up(_Told):
    """One of the programs of `zoo up`."""

    program: str
    state: str  # up, down, or gone: it died by itself
    pid: int | None = None
    url: str | None = None
    since: datetime | None = None


class Night(_Told):
    """The night that is at work."""

    pid: int
    since: datetime


class Work(_Told):
    """What one worker of the night makes."""

    entry: str
    step: int | None  # the last that its curves tell of
    steps: int | None
    since: datetime


class Plan(_Told):
    """One schedule of nights, as Prefect holds it."""

    name: str
    when: str
    next: datetime | None  # None where it is paused


class Seen(_Told):
    """All of it at one moment."""

    programs: tuple[Up, ...]
    night: Night | None
    working: tuple[Work, ...]
    scheduled: tuple[Plan, ...]
    remarks: tuple[str, ...]  # what to do about what is not as it should be

    @property
    def good(self) -> bool:
        """Whether all that should be up is up."""
        return all(program.state == "up" for program in self.programs)


def look(settings: Settings) -> Seen:
    """What goes on in a zoo."""
    home = settings.home
    started = recorded(home)
    programs = tuple(_up(home, name, started.get(name)) for name in NAMES if name in expected(settings))
    remarks = [
        f"{program.program} died; the end of {lock_of(home, program.program).with_suffix('.log')} says why, and "
        "`zoo up` starts it again."
        for program in programs
        if program.state == "gone"
    ]
    try:
        scheduled = _scheduled(prefect_api_url(settings))
    except ConnectionError as error:
        scheduled = ()
        remarks.append(f"What is scheduled is not known: {error}")
    if scheduled and any(program.program == WORKER and program.state != "up" for program in programs):
        remarks.append("Nights are scheduled and no worker is up here to run them: `zoo up`.")
    return Seen(
        programs=programs,
        night=night_at_work(settings),
        working=_working(settings),
        scheduled=scheduled,
        remarks=tuple(remarks),
    )


def night_at_work(settings: Settings) -> Night | None:
    """The night that holds this zoo's lock."""
    lock = settings.home / "night.lock"
    return Night(pid=_holder(lock), since=_taken(lock)) if is_held(lock) else None


def _up(home: Path, name: str, program: Program | None) -> Up:
    if program is None:
        return Up(program=name, state="down")
    state = "up" if is_held(lock_of(home, name)) else "gone"
    return Up(program=name, state=state, pid=program.pid, url=program.url or None, since=program.since)


def _working(settings: Settings) -> tuple[Work, ...]:
    """The runs that a worker holds the lock of."""
    held = (lock.parent for lock in sorted(settings.runs.glob("*/*/lock")) if is_held(lock))
    return tuple(_work(folder) for folder in held)


def _work(folder: Path) -> Work:
    try:
        steps = Job.read(folder).ingredients.recipe["steps"]
    except (OSError, ValueError, KeyError):
        steps = None  # by another version of this code
    return Work(entry=folder.parent.name, step=_last_step(folder), steps=steps, since=_taken(folder / "lock"))


def _last_step(folder: Path) -> int | None:
    try:
        lines = (folder / "curves.jsonl").read_text(encoding="utf-8").splitlines()
        return int(json.loads(lines[-1])["step"])
    except (OSError, ValueError, KeyError, IndexError):
        return None  # nothing to tell yet, or a line that is just being written


def _holder(lock: Path) -> int:
    """The process that wrote itself into a lock (`flows.locks`); 0 while it is about to."""
    return int(lock.read_text() or 0)


def _taken(lock: Path) -> datetime:
    """When a lock was taken: its holder then wrote itself into it."""
    return datetime.fromtimestamp(lock.stat().st_mtime, UTC)


def _scheduled(api: str) -> tuple[Plan, ...]:
    """The schedules of the nights' pool; the next one first.

    Raises:
        ConnectionError: Prefect does not answer.
    """
    in_pool = {"work_pools": {"name": {"any_": [POOL]}}}
    waiting = {"flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}}, "sort": "EXPECTED_START_TIME_ASC"}
    coming: dict[str, datetime] = {}
    for run in ask(api, "flow_runs/filter", in_pool | waiting):
        if run["deployment_id"] and run["expected_start_time"]:
            coming.setdefault(run["deployment_id"], datetime.fromisoformat(run["expected_start_time"]))
    plans = [
        Plan(name=deployment["name"], when=_when(deployment), next=coming.get(deployment["id"]))
        for deployment in ask(api, "deployments/filter", in_pool)
    ]
    return tuple(sorted(plans, key=lambda plan: (plan.next or NEVER, plan.name)))


def _when(deployment: Mapping[str, Any]) -> str:
    """When a deployment runs, in the words of cron."""
    told = [
        f"{schedule['schedule'].get('cron', 'other')} {schedule['schedule'].get('timezone') or 'UTC'}"
        + ("" if schedule["active"] and not deployment["paused"] else " (paused)")
        for schedule in deployment["schedules"]
    ]
    return ", ".join(told) or "by hand"
