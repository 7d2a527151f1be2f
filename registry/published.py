"""Published numbers beside ours: paper, ours, difference, and whether the two may be compared at all.

Two numbers compare only under the same protocol. A difference under another protocol or on other data is printed all
the same, for orientation, and always with the words that say so.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from registry.glance import Version
from zoo.published import Target


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One published number, and one of our versions beside it if there is any."""

    metric: str
    published: float
    ours: float | None
    difference: float | None  # ours - published
    protocol: str  # "same protocol", "protocol differs", with the data where that differs; "not measured yet"
    version: str | None  # entry/number
    dataset: str  # of the published number
    source: str


def compare(targets: Mapping[str, Iterable[Target]], versions: Iterable[Version]) -> tuple[Comparison, ...]:
    """Each family's published numbers beside what its entries hold now.

    An entry stands with its champion, or with its latest version where it has none. Where the family was scored on the
    published number's data set, entries of other data sets are left out.

    Args:
        targets: published numbers by family.
        versions: READY ones, oldest first.
    """
    standing: dict[str, Version] = {}
    for version in versions:
        if version.champion or not (version.entry in standing and standing[version.entry].champion):
            standing[version.entry] = version
    return tuple(
        comparison
        for family, published in targets.items()
        for target in published
        for comparison in _beside(target, [v for v in standing.values() if v.entry.partition(".")[0] == family])
    )


def _beside(target: Target, versions: list[Version]) -> list[Comparison]:
    measured = [version for version in versions if target.metric in version.record.score.metrics]
    same_data = [version for version in measured if version.record.scored == target.dataset]
    return [_comparison(target, version) for version in same_data or measured] or [_comparison(target, None)]


def _comparison(target: Target, version: Version | None) -> Comparison:
    ours = version.record.score.metrics[target.metric] if version else None
    return Comparison(
        metric=target.metric,
        published=target.value,
        ours=ours,
        difference=None if ours is None else ours - target.value,
        protocol=_protocol(target, version),
        version=str(version) if version else None,
        dataset=target.dataset,
        source=target.source,
    )


def _protocol(target: Target, version: Version | None) -> str:
    if version is None:
        return "not measured yet"
    if version.protocol == target.protocol:
        return "same protocol"
    scored = version.record.scored
    return "protocol differs" + ("" if scored == target.dataset else f" (other data: {scored})")
