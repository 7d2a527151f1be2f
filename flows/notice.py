"""A night, and everybody who is to know of it: a file, a run of MLflow, one message to a chat.

Who is told and how never changes what a night is: an address that does not answer costs a warning. A webhook's
address holds a secret, so it is never said.
"""

import json
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import HTTPRedirectHandler, Request, build_opener

from flows.job import Event
from flows.lineups import lineup
from flows.locks import AtWork
from flows.night import night
from flows.summary import JUDGED, SHORT, Asked, Summary
from flows.telling import as_markdown, as_message
from flows.workers import Say
from registry.settings import Settings
from zoo.durable import write_atomically

TIMEOUT = 10.0  # seconds that a webhook gets for each step of its answer


def nightly(asked: Asked, *, settings: Settings, say: Say, webhook: str = "") -> Summary:
    """A night over a line-up; and its summary as `summary.md` beside `summary.json`, in MLflow, and to a webhook.

    Args:
        webhook: takes `{"text": ...}` as Slack's do; empty for none. It hears of verdicts and of what failed, also
            where the night could not begin; a night in which nothing changed is no message.

    Raises:
        AtWork: another night is at work here.
        ValueError: no such line-up, family, recipe or entry; the webhook is no address.
    """
    check(webhook)
    try:
        slots = lineup(asked.lineup, seed=asked.seed)
        summary = night(slots, settings=settings, only=asked.only, force=asked.force, say=say, asked=asked)
    except AtWork:
        raise
    except Exception as error:
        _post(webhook, f"nightzoo: the night of {asked.lineup} did not run: {error}", say=say)
        raise
    _tell("summary.md", lambda: _write(summary, settings), say=say)
    if summary.stopped:
        return summary  # whoever ended it waits for no server
    if any(outcome.done in JUDGED | SHORT for outcome in summary.outcomes):
        _tell("MLflow", lambda: _record(summary, settings), say=say)
    _post(webhook, as_message(summary), say=say)
    return summary


def check(webhook: str) -> None:
    """See that a webhook is an address at all.

    Raises:
        ValueError: it is not; the message does not repeat it.
    """
    if webhook and not webhook.startswith(("http://", "https://")):
        raise ValueError("the webhook (--webhook, ZOO_WEBHOOK): expected an address that begins with https://")


def post(webhook: str, text: str) -> None:
    """Send one message.

    Raises:
        ConnectionError: it did not arrive; the message says why, without the address.
    """
    content = json.dumps({"text": text}).encode()
    try:
        request = Request(webhook, data=content, headers={"Content-Type": "application/json"})
        with build_opener(_Stay).open(request, timeout=TIMEOUT):
            pass
    except HTTPError as error:
        error.close()
        raise ConnectionError(f"it answered HTTP {error.code}") from None
    except URLError as error:
        why = error.reason.strerror if isinstance(error.reason, OSError) else None
        raise ConnectionError(why or type(error.reason).__name__) from None
    except (OSError, ValueError, HTTPException) as error:  # what these say may hold the address
        raise ConnectionError(type(error).__name__) from None


class _Stay(HTTPRedirectHandler):
    """Follows nobody elsewhere: a POST would arrive there as a GET without its text, and look delivered."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _post(webhook: str, text: str, *, say: Say) -> None:
    if webhook and text:
        _tell("the webhook", lambda: post(webhook, text), say=say)


def _tell(whom: str, how: Callable[[], None], *, say: Say) -> None:
    """Tell one; whatever goes wrong is a warning, for the night itself is over and in order."""
    try:
        how()
    except Exception as error:
        say("", Event(kind="warning", text=f"{whom} could not be told of this night: {error}"))


def _write(summary: Summary, settings: Settings) -> None:
    write_atomically(_folder(summary, settings) / "summary.md", as_markdown(summary).encode())


def _record(summary: Summary, settings: Settings) -> None:
    from registry.nights import record_night

    text = as_markdown(summary)
    record_night(
        summary.started,
        seconds=summary.seconds,
        parameters=summary.asked.model_dump(),
        counts=summary.counts,
        note=text,
        files={"summary.md": text, "summary.json": summary.model_dump_json(indent=2)},
        settings=settings,
    )


def _folder(summary: Summary, settings: Settings) -> Path:
    return settings.home / "nights" / f"{summary.started:%Y-%m-%dT%H%M%S}"
