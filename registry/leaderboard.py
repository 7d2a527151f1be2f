"""Who leads: per benchmark (protocol and data, because nothing else compares) the best first, the floor beside each.

An entry stands on a board with its champion and its latest version; the rest is there on demand. A board on which
nobody stands any more is retired. Below a board, what the papers of its families report.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from registry.glance import Snapshot, Version
from registry.published import SAME_PROTOCOL, Comparison, compare, standing
from zoo.published import Target
from zoo.scoring.metrics import Metric


@dataclass(frozen=True, kw_only=True)
class Row:
    """One version in one benchmark's ranking."""

    rank: int  # among the rows shown
    entry: str
    version: int
    aliases: tuple[str, ...]
    recipe: str  # its name, and the seed where that is not 0
    value: float
    error: float | None  # bootstrap standard error
    interval: tuple[float, float] | None  # 95 % of the value
    floor: float
    floor_name: str
    gain: float  # over the floor, in the metric's unit, positive when better
    speed: float | None  # frames a second, where the benchmark timed them
    kind: str  # "exact" or "bound", where the board holds both
    parameters: int
    seconds: float  # of training
    verdict: str  # the gate's, or that a person decided
    created: datetime


@dataclass(frozen=True, kw_only=True)
class Board:
    """The ranking of one benchmark."""

    protocol: str
    data_digest: str
    metric: Metric
    rows: tuple[Row, ...]  # none on a retired board, unless everything was asked for
    published: tuple[Comparison, ...]  # in the metrics that this benchmark measures
    versions: int  # in all, shown or not
    retired: bool  # no entry's champion or latest version stands here

    @property
    def floors(self) -> tuple[tuple[str, float], ...]:
        """The trivial methods that its rows were measured against, with their values; mostly one."""
        return tuple(dict.fromkeys((row.floor_name, row.floor) for row in self.rows))

    @property
    def comparable(self) -> tuple[Comparison, ...]:
        """The published numbers that were made under this protocol on this data, once each."""
        same = (line for line in self.published if line.remark == SAME_PROTOCOL)
        return tuple({(line.metric, line.published, line.source): line for line in same}.values())


def leaderboard(
    held: Snapshot,
    benchmark: str = "",
    *,
    targets: Mapping[str, Iterable[Target]] | None = None,
    everything: bool = False,
) -> tuple[Board, ...]:
    """The boards whose protocol contains `benchmark`: first those on which somebody stands, each kind by protocol.

    Args:
        targets: published numbers by family.
        everything: all versions and retired boards too, not champion and latest alone.

    Raises:
        ValueError: there are boards, but none for this benchmark.
    """
    versions = sorted(held.versions(), key=_benchmark)
    chosen = [version for version in versions if benchmark in version.protocol]
    if versions and not chosen:
        known = ", ".join(sorted({version.protocol for version in versions}))
        raise ValueError(f"no benchmark {benchmark!r} in the registry; it has: {known}.")
    shown = {str(v) for entry in held.entries for v in (held.champion(entry), held.latest(entry)) if v}
    with_targets = standing(held)
    boards = [
        _board(
            list(group),
            shown,
            compare(targets or {}, [version for version in with_targets if _benchmark(version) == benchmark_of]),
            everything=everything,
        )
        for benchmark_of, group in groupby(chosen, key=_benchmark)
    ]
    return tuple(sorted(boards, key=lambda board: board.retired))


def _benchmark(version: Version) -> tuple[str, str]:
    return version.protocol, version.data_digest


def _board(versions: list[Version], shown: set[str], published: Iterable[Comparison], *, everything: bool) -> Board:
    metric = versions[0].ranked_by
    sign = -1 if metric.higher_is_better else 1
    current = [version for version in versions if str(version) in shown]
    ranked = sorted(
        versions if everything else current, key=lambda v: (sign * v.record.score.metrics[metric.name], v.created)
    )
    return Board(
        protocol=versions[0].protocol,
        data_digest=versions[0].data_digest,
        metric=metric,
        rows=tuple(_row(rank, version, metric) for rank, version in enumerate(ranked, start=1)),
        published=tuple(line for line in published if line.version),
        versions=len(versions),
        retired=not current,
    )


def _row(rank: int, version: Version, metric: Metric) -> Row:
    record = version.record
    value, floor = record.score.metrics[metric.name], record.floor.metrics[metric.name]
    return Row(
        rank=rank,
        entry=version.entry,
        version=version.number,
        aliases=version.aliases,
        recipe=version.recipe_label,
        value=value,
        error=version.error,
        interval=record.score.interval,
        floor=floor,
        floor_name=record.floor.name,
        gain=metric.gain(value, floor),
        speed=record.score.speed,
        kind=record.score.kind,
        parameters=record.parameters,
        seconds=record.seconds,
        verdict=version.standing,
        created=version.created,
    )
