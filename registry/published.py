"""Published numbers beside ours: paper, ours, and whether the two may be compared at all.

Two numbers compare only under the same protocol on the same data; where either differs, words say so. A difference
under another protocol is printed for orientation; from a number on other data nothing is subtracted.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from registry.glance import Snapshot, Version
from zoo.entry import Entry
from zoo.published import Target

SAME_PROTOCOL = "same protocol"
"""The remark on a published number that compares with ours."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One published number, and one of our versions beside it if there is any."""

    metric: str
    published: float
    ours: float | None
    difference: float | None  # ours - published; None on other data
    remark: str  # SAME_PROTOCOL, or what differs; "not measured yet"
    version: str | None  # entry/number
    dataset: str  # of the published number
    source: str


def standing(held: Snapshot) -> tuple[Version, ...]:
    """What each entry stands with: its champion, or its latest version where it has none."""
    found = (held.champion(entry) or held.latest(entry) for entry in held.entries)
    return tuple(version for version in found if version)


def compare(targets: Mapping[str, Iterable[Target]], versions: Iterable[Version]) -> tuple[Comparison, ...]:
    """Each family's published numbers beside these versions of its entries.

    Where the family was scored on the published number's data set, entries of other data sets are left out.

    Args:
        targets: published numbers by family.
        versions: at most one of each entry (`standing`).
    """
    by_family: dict[str, list[Version]] = {}
    for version in versions:
        by_family.setdefault(Entry(version.entry).family, []).append(version)
    return tuple(
        comparison
        for family, published in targets.items()
        for target in published
        for comparison in _beside(target, by_family.get(family, []))
    )


def _beside(target: Target, versions: list[Version]) -> list[Comparison]:
    measured = [version for version in versions if target.metric in version.record.score.metrics]
    same_data = [version for version in measured if _on_its_data(version, target)]
    return [_comparison(target, version) for version in same_data or measured] or [_comparison(target, None)]


def _comparison(target: Target, version: Version | None) -> Comparison:
    ours = version.record.score.metrics[target.metric] if version else None
    subtract = version is not None and not _other_data(target, version)
    return Comparison(
        metric=target.metric,
        published=target.value,
        ours=ours,
        difference=ours - target.value if ours is not None and subtract else None,
        remark=_remark(target, version),
        version=str(version) if version else None,
        dataset=target.dataset,
        source=target.source,
    )


def _on_its_data(version: Version, target: Target) -> bool:
    """Whether a version was scored on the published number's data set, or on the split of it that the number names."""
    return target.dataset in (version.record.scored, _split(version))


def _split(version: Version) -> str:
    """Data set and split as the protocol begins with them: `sintel-clean`."""
    return version.protocol.rpartition("/")[0]


def _other_data(target: Target, version: Version) -> str:
    """How the data are known to be others; empty where they may be the same."""
    if not _on_its_data(version, target):
        return f"other data: {_split(version)}"
    if target.data_digest and version.data_digest != target.data_digest:
        return f"other data than the published: {version.data_digest[:8]}"
    return ""


def _remark(target: Target, version: Version | None) -> str:
    if version is None:
        return "not measured yet"
    differing = [] if version.protocol == target.protocol else ["protocol differs"]
    if other := _other_data(target, version):
        differing.append(other)
    elif not target.data_digest:
        differing.append("data not known to be the published")
    return ", ".join(differing) or SAME_PROTOCOL
