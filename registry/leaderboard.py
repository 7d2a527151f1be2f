"""Who leads: per benchmark (protocol and data, because nothing else compares) the best first, the floor beside each.

Below a board, what the papers of its families report.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from registry.glance import Version, ready_versions
from registry.published import Comparison, compare
from registry.settings import Settings
from zoo.published import Target
from zoo.scoring.metrics import Metric


@dataclass(frozen=True, kw_only=True)
class Row:
    """One version in one benchmark's ranking."""

    rank: int
    entry: str
    version: int
    aliases: tuple[str, ...]
    value: float
    error: float | None  # bootstrap standard error, known once the gate has judged it
    floor: float
    floor_name: str
    gain: float  # over the floor, in the metric's unit, positive when better
    verdict: str | None
    created: datetime


@dataclass(frozen=True, kw_only=True)
class Board:
    """The ranking of one benchmark."""

    protocol: str
    data_digest: str
    metric: Metric
    rows: tuple[Row, ...]
    published: tuple[Comparison, ...]  # in the metrics that this benchmark measures


def leaderboard(
    settings: Settings, benchmark: str = "", *, targets: Mapping[str, Iterable[Target]] | None = None
) -> tuple[Board, ...]:
    """The boards whose protocol contains `benchmark`, by protocol.

    Args:
        targets: published numbers by family.

    Raises:
        ValueError: there are boards, but none for this benchmark.
        ConnectionError: the tracking server does not answer.
    """
    versions = sorted(ready_versions(settings), key=lambda v: (v.protocol, v.data_digest))
    chosen = [v for v in versions if benchmark in v.protocol]
    if versions and not chosen:
        known = ", ".join(sorted({v.protocol for v in versions}))
        raise ValueError(f"no benchmark {benchmark!r} in the registry; it has: {known}.")
    return tuple(
        _board(protocol, digest, list(group), targets or {})
        for (protocol, digest), group in groupby(chosen, key=lambda v: (v.protocol, v.data_digest))
    )


def _board(protocol: str, digest: str, versions: list[Version], targets: Mapping[str, Iterable[Target]]) -> Board:
    metric = versions[0].ranked_by
    sign = -1 if metric.higher_is_better else 1
    ranked = sorted(versions, key=lambda v: (sign * v.record.score.metrics[metric.name], v.created))
    rows = tuple(_row(rank, version, metric) for rank, version in enumerate(ranked, start=1))
    published = tuple(line for line in compare(targets, versions) if line.version)
    return Board(protocol=protocol, data_digest=digest, metric=metric, rows=rows, published=published)


def _row(rank: int, version: Version, metric: Metric) -> Row:
    record, verdict = version.record, version.verdict or {}
    value, floor = record.score.metrics[metric.name], record.floor.metrics[metric.name]
    return Row(
        rank=rank,
        entry=version.entry,
        version=version.number,
        aliases=version.aliases,
        value=value,
        error=verdict.get("challenger_error"),
        floor=floor,
        floor_name=record.floor.name,
        gain=metric.gain(value, floor),
        verdict=verdict.get("decision"),
        created=version.created,
    )
