"""Who is told of a night, and how: lines of a log, a summary for people, a message to a webhook that is there."""

import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest

from flows.job import Event
from flows.journal import EVERY_SECONDS, Journal, Json, Plain, write, written_to
from flows.notice import check, post
from flows.summary import Asked, Done, Outcome, Summary
from flows.telling import MOST, as_markdown, as_message

TOKEN = "T0PS3CRET"


def outcome(entry: str, done: Done, why: str, **more: Any) -> Outcome:
    return Outcome(entry=entry, recipe="smoke", done=done, why=why, **more)


def summary(*outcomes: Outcome) -> Summary:
    asked = Asked(lineup="mini", only="f*")
    return Summary(started=datetime(2026, 1, 2, 3, 4, tzinfo=UTC), seconds=3720, asked=asked, outcomes=outcomes)


PROMOTED = outcome("fcn8s.voc", "trained", "better | by far", version=3, verdict="PROMOTE", value=0.5, metric="miou")
SKIPPED = outcome("svm.digits", "skipped", "version 1", version=1, verdict="PROMOTE")
FAILED = outcome("wgan.digits", "failed", "diverged at step 7")


class Hook(HTTPServer):
    """A webhook on this machine that keeps what it gets, and answers with a status."""

    def __init__(self, status: int) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.status = status
        self.got: list[tuple[str, Any]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/services/{TOKEN}"


class Answer(BaseHTTPRequestHandler):
    server: Hook

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.headers["Content-Type"], json.loads(content)))
        self.send_response(self.server.status)
        if self.server.status == 302:
            self.send_header("Location", "/elsewhere")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def hook(status: int = 200) -> Iterator[Hook]:
    with Hook(status) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_a_message_arrives_as_slack_takes_it() -> None:
    with hook() as server:
        post(server.url, "one\ntwo")
        assert server.got == [("application/json", {"text": "one\ntwo"})]


@pytest.mark.parametrize("status", [302, 404, 500])
def test_a_webhook_that_refuses_is_no_success_and_its_token_is_not_said(status: int) -> None:
    with hook(status) as server, pytest.raises(ConnectionError, match=f"^it answered HTTP {status}$"):
        post(server.url, "text")
    assert len(server.got) == 1  # and nothing was sent to where the 302 pointed


@pytest.mark.parametrize("url", [f"http://127.0.0.1:9/{TOKEN}", f"http://no such host/{TOKEN}", f"http://[/{TOKEN}"])
def test_a_webhook_that_is_not_there_is_named_by_its_trouble_alone(url: str) -> None:
    with pytest.raises(ConnectionError) as caught:
        post(url, "text")
    assert str(caught.value)
    assert TOKEN not in str(caught.value)


def test_what_is_no_address_is_refused_before_the_night_without_being_repeated() -> None:
    with pytest.raises(ValueError, match="begins with https://") as caught:
        check(f"hooks.slack.com/{TOKEN}")
    assert TOKEN not in str(caught.value)


def test_message_names_verdicts_and_failures_and_is_empty_where_nothing_happened() -> None:
    text = as_message(summary(SKIPPED, PROMOTED, FAILED))
    assert text.splitlines() == [
        "nightzoo, night of mini: 1 skipped, 1 promoted, 1 failed",
        "• fcn8s.voc version 3 promoted: better | by far",
        "• wgan.digits failed: diverged at step 7",
    ]
    assert as_message(summary(SKIPPED)) == ""
    many = as_message(summary(*[FAILED] * (MOST + 5)))
    assert len(many.splitlines()) == MOST + 2
    assert many.endswith("and 5 more")


def test_markdown_has_a_row_for_each_entry_and_what_failed_comes_first() -> None:
    lines = as_markdown(summary(SKIPPED, PROMOTED, FAILED)).splitlines()
    assert lines[0] == "# 1 skipped, 1 promoted, 1 failed"
    assert lines[2] == "Night of 2026-01-02 03:04 UTC, 1 h 02 min; lineup `mini`, only `f*`"
    assert [line.split("|")[1].strip() for line in lines[6:]] == ["wgan.digits", "fcn8s.voc", "svm.digits"]
    assert lines[7].count("|") - lines[7].count("\\|") == lines[4].count("|")  # a bar in a reason opens no cell


def said(form: logging.Formatter, *events: tuple[str, Event]) -> list[str]:
    stream, journal = io.StringIO(), Journal()
    with written_to(stream, form=form):
        for entry, event in events:
            journal.say(entry, event)
    return stream.getvalue().splitlines()


TRAINING = [("fcn8s.voc", Event(kind="training", step=step, steps=900, per_second=30.0)) for step in range(1, 901)]


def test_nine_hundred_steps_are_one_line_with_its_time() -> None:
    (line,) = said(Plain(), *TRAINING)
    assert line.endswith(" fcn8s.voc: training 1/900 30/s")
    assert datetime.strptime(line[:19], "%Y-%m-%d %H:%M:%S")  # noqa: DTZ007  local time, for people


def test_progress_is_told_again_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 10**6, int(EVERY_SECONDS) // 3))
    monkeypatch.setattr("flows.journal.time.monotonic", lambda: float(next(clock)))
    assert len(said(Plain(), *TRAINING[:9])) == 3


def test_json_is_an_object_a_line_with_what_the_text_was_made_of() -> None:
    warning = ("", Event(kind="warning", text='two\nlines and "quotes"'))
    first, second = (json.loads(line) for line in said(Json(), TRAINING[0], warning))
    assert (first["event"], first["entry"], first["step"], first["steps"]) == ("training", "fcn8s.voc", 1, 900)
    assert datetime.fromisoformat(first["time"]).tzinfo is not None
    assert (second["level"], second["text"]) == ("warning", 'two\nlines and "quotes"')


def test_nobody_who_listens_means_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    write("a line", level=logging.WARNING)
    Journal().say("", Event(kind="warning", text="another"))
    assert capfd.readouterr() == ("", "")
