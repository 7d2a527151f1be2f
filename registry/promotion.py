"""Who reigns over an entry: challenges, successions and abdications, each stored before the alias `champion` moves.

The first champion has to beat somebody too: while an entry has none, its floor (the best trivial method) reigns. A
version with the champion's own weights (scored anew, because the way of scoring changed) is no challenge: the alias
goes along. A champion that can no longer be scored abdicates, and the floor reigns again.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

from registry import gate
from registry.client import connect, plain_errors
from registry.evidence import alike, keep, kept, sides
from registry.gate import RULING, Ruling, Succession, Verdict
from registry.glance import ABDICATED, CHAMPION, PROMOTED, VERDICT, Snapshot, Version, read
from registry.settings import Settings
from zoo.scoring.protocols import scoring


def needs_rescoring(version: Version, settings: Settings) -> Version | None:
    """The champion that must be scored again before it can be compared with this version, if any."""
    reigning = read(settings, version.entry).champion(version.entry)
    if reigning is None or reigning.number == version.number or _same_weights(version, reigning):
        return None
    return None if alike(version, reigning) else reigning


def challenge(
    version: Version, settings: Settings, *, rescored: Path | None = None, margin: float = 0.0
) -> Ruling | None:
    """Judge a READY version against its entry's champion, store the verdict, and move the alias on PROMOTE.

    What the verdict was made from is stored before it, it before the alias moves, and the tag `promoted` after that:
    a kill anywhere is healed by asking again (`Snapshot.unsettled` says whom), and a person who moves the alias back
    is not overruled. A version is judged once; asked again, the stored verdict is the answer.

    Args:
        rescored: the champion's units under this version's protocol and data, where `needs_rescoring` named one.

    Returns:
        The verdict; None for a version that became champion without one (a person moved the alias).

    Raises:
        ValueError: champion and challenger were not scored alike and `rescored` is missing, or a file was changed.
        ConnectionError: the tracking server does not answer.
    """
    held = read(settings, version.entry)
    version, reigning = held.numbered(version.entry, version.number), held.champion(version.entry)
    ruling = stored(version)
    if version.settled:
        return ruling
    client, number = connect(settings), str(version.number)
    if ruling is None:
        ruling = _rule(version, held, settings, rescored=rescored, margin=margin)
        with plain_errors():
            client.log_text(version.run_id, ruling.model_dump_json(indent=2), "verdict.json")
            client.set_model_version_tag(version.entry, number, VERDICT, ruling.model_dump_json())
    if ruling.decision == "PROMOTE":
        with plain_errors():
            if ruling.champion == (reigning.number if reigning else None):
                client.set_registered_model_alias(version.entry, CHAMPION, number)
            client.set_model_version_tag(version.entry, number, PROMOTED, "true")
    return ruling


def abdicate(version: Version, reason: str, settings: Settings) -> None:
    """Take the alias from a champion that nobody beat but that can no longer be scored; the floor reigns.

    The reason is stored first, so a kill in between is healed by doing it again.

    Raises:
        ConnectionError: the tracking server does not answer.
    """
    client, reigning = connect(settings), read(settings, version.entry).champion(version.entry)
    with plain_errors():
        client.set_model_version_tag(version.entry, str(version.number), ABDICATED, reason)
        if reigning and reigning.number == version.number:
            client.delete_registered_model_alias(version.entry, CHAMPION)


def stored(version: Version) -> Ruling | None:
    """The verdict that is stored on a version, None while there is none."""
    return RULING.validate_python(version.verdict) if version.verdict else None


def replay(version: Version, settings: Settings) -> tuple[Verdict, Verdict]:
    """The verdict on a version as it is stored, and made again from the units that it names.

    Raises:
        ValueError: it has none, nothing was weighed for it, or what it was made from is gone or was changed.
        ConnectionError: the tracking server does not answer.
    """
    verdict = stored(version)
    if not isinstance(verdict, Verdict):
        why = verdict.reason if verdict else "the gate has not judged it"
        raise ValueError(f"{version}: there is no verdict to make again: {why}.")
    held = read(settings, version.entry)
    champion = None if verdict.champion is None else held.numbered(version.entry, verdict.champion)
    with TemporaryDirectory() as scratch:
        rescored = None
        if champion and not alike(version, champion):
            rescored = kept(version, verdict.units["champion/units.parquet"], settings, Path(scratch) / "rescored")
        mine, theirs = sides(version, champion, settings, Path(scratch), rescored=rescored)
        return verdict, gate.replay(verdict, mine.units, theirs.units, scoring(verdict.protocol))


def _rule(version: Version, held: Snapshot, settings: Settings, *, rescored: Path | None, margin: float) -> Ruling:
    """The verdict on a version that has none, all that it was made from stored."""
    reigning = held.champion(version.entry)
    if reigning and _same_weights(version, reigning):
        return Succession(
            reason=f"the weights of champion {reigning}, scored anew: the same model, so there was nothing to test",
            entry=version.entry,
            challenger=version.number,
            champion=reigning.number,
            protocol=version.protocol,
            data_digest=version.data_digest,
        )
    with TemporaryDirectory() as scratch:
        mine, theirs = sides(version, reigning, settings, Path(scratch), rescored=rescored)
        verdict = gate.judge(
            mine,
            theirs,
            scoring(version.protocol),
            entry=version.entry,
            challenge=1 + _challenges(version, held),
            margin=margin,
        )
        if theirs.units == rescored:
            keep(version, theirs.units, settings)
    return verdict


def _same_weights(version: Version, other: Version) -> bool:
    """Whether two versions are one model; where an older one does not tell its weights, what decided them speaks."""
    if version.weights and other.weights:
        return version.weights == other.weights
    return version.trains == other.trains


def _challenges(version: Version, held: Snapshot) -> int:
    """How many other versions have challenged whoever reigns before; a succession begins no new reign."""
    reign = _reign(held, version.entry)
    others = [v.verdict for v in held.versions(version.entry) if v.verdict and v.number != version.number]
    return sum(1 for verdict in others if verdict["champion"] in reign and verdict["challenge"] > 0)


def _reign(held: Snapshot, entry: str) -> set[int | None]:
    """The numbers under which the model that reigns was champion; {None} while the floor reigns."""
    champion = held.champion(entry)
    if champion is None:
        return {None}
    reign: set[int | None] = set()
    by_number = {version.number: version for version in held.versions(entry)}
    number: int | None = champion.number
    while number is not None and number not in reign:
        reign.add(number)
        ruling = stored(by_number[number]) if number in by_number else None
        number = ruling.champion if isinstance(ruling, Succession) else None
    return reign
