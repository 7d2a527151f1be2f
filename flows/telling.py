"""A night's summary for people who were asleep: as Markdown for pages and files, as a short text for a chat."""

from collections.abc import Iterator

from flows.summary import Outcome, Summary

MOST = 40  # entries that a message names


def as_markdown(summary: Summary) -> str:
    """All outcomes as a table, what changed or failed first, and why below it."""
    head = f"# {summary.headline}\n\nNight of {summary.started:%Y-%m-%d %H:%M} UTC, {_length(summary.seconds)}"
    asked = ", ".join(f"{key} `{value}`" for key, value in summary.asked.model_dump(exclude_defaults=True).items())
    columns = ("entry", "done", "version", "metric", "value", "floor", "verdict", "why")
    rows = [columns, ("---",) * len(columns), *(_cells(outcome) for outcome in _told_first(summary))]
    return f"{head}; {asked}\n\n" + "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"


def as_message(summary: Summary) -> str:
    """What changed or failed, an entry a line; empty where nothing did."""
    lines = [
        f"• {outcome.entry}{f' version {outcome.version}' if outcome.version else ''} "
        f"{outcome.verdict_tonight or outcome.done}: {outcome.why}"
        for outcome in summary.outcomes
        if outcome.verdict_tonight or not outcome.good
    ]
    if not lines:
        return ""
    more = [f"and {len(lines) - MOST} more"] if len(lines) > MOST else []
    lineup = f" of {summary.asked.lineup}" if summary.asked.lineup else ""
    return "\n".join([f"nightzoo, night{lineup}: {summary.headline}", *lines[:MOST], *more])


def _told_first(summary: Summary) -> Iterator[Outcome]:
    """Failures, then verdicts, then the rest."""
    return iter(sorted(summary.outcomes, key=lambda outcome: (outcome.good, not outcome.verdict_tonight)))


def _cells(outcome: Outcome) -> tuple[str, ...]:
    numbers = (outcome.value, outcome.floor)
    value, floor = ("" if number is None else f"{number:.4g}" for number in numbers)
    cells = (outcome.entry, outcome.done, str(outcome.version or ""), outcome.metric, value, floor, outcome.verdict)
    return (*cells, " ".join(outcome.why.replace("|", "\\|").split()))


def _length(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60} h {minutes % 60:02} min" if minutes >= 60 else f"{minutes} min {rest:02} s"
