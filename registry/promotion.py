"""Who reigns over an entry: challenges, successions, abdications and people, each stored before the alias moves.

The first champion has to beat somebody too: while an entry has none, its floor (the best trivial method) reigns. A
version with the champion's own weights (scored anew, because the way of scoring changed) is no challenge: the alias
goes along. A champion that can no longer be scored abdicates, and the floor reigns again. A person may overrule the
gate; who it was, when and why stands with the version, and the gate goes on from there.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from getpass import getuser
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pydantic import BaseModel

from registry import gate, patience
from registry.client import connect, plain_errors
from registry.demands import demands
from registry.evidence import alike, keep, kept, sides
from registry.gate import RULING, Echo, Ruling, Succession, Terms, Tested, Verdict
from registry.glance import (
    ABDICATED,
    ABDICATED_ON,
    BY_HAND,
    CHAMPION,
    PROMOTED,
    VERDICT,
    Snapshot,
    Version,
    read,
)
from registry.purse import FULL, refilled, stake_of
from registry.settings import Settings
from zoo.scoring.protocols import scoring

TICK = timedelta(microseconds=1)


class ByHand(BaseModel, frozen=True, extra="forbid"):
    """A person made a version champion."""

    who: str  # user name
    when: datetime  # UTC
    why: str
    before: int | None  # version number of the champion until then; None: the floor reigned
    rollback: bool  # to whom the champion had taken over from


def needs_rescoring(version: Version, settings: Settings) -> Version | None:
    """The champion that must be scored again before it can be compared with this version, if any."""
    held = read(settings, version.entry)
    reigning = held.champion(version.entry)
    if reigning is None or reigning.number == version.number or _same_weights(version, reigning):
        return None
    return None if alike(version, reigning) or _met(version, reigning, held) else reigning


def challenge(version: Version, settings: Settings, *, rescored: Path | None = None) -> Ruling | None:
    """Judge a READY version against its entry's champion, store the verdict, and move the alias on PROMOTE.

    What the verdict was made from is stored before it, it before the alias moves, and the tag `promoted` after that:
    a kill anywhere is healed by asking again (`Snapshot.unsettled` says whom), and a person who moves the alias back
    is not overruled. A version is judged once; asked again, the stored verdict is the answer.

    Args:
        rescored: the champion's units under this version's protocol and data, where `needs_rescoring` named one.

    Returns:
        The verdict; None for a version that became champion without one (a person moved the alias).

    Raises:
        ValueError: champion and challenger were not scored alike and `rescored` is missing, a file was changed, or
            gate.toml asks what cannot be asked.
        ConnectionError: the tracking server does not answer.
    """
    held = read(settings, version.entry)
    version, reigning = held.numbered(version.entry, version.number), held.champion(version.entry)
    ruling = stored(version)
    if version.settled:
        return ruling
    client, number = connect(settings), str(version.number)
    if ruling is None:
        ruling = _rule(version, held, settings, rescored=rescored)
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
        client.set_model_version_tag(version.entry, str(version.number), ABDICATED_ON, _now().isoformat())
        client.set_model_version_tag(version.entry, str(version.number), ABDICATED, reason)
        if reigning and reigning.number == version.number:
            client.delete_registered_model_alias(version.entry, CHAMPION)


def promote(version: Version, settings: Settings, *, why: str, rollback: bool = False) -> ByHand:
    """Make a version champion because a person says so; stored before the alias moves.

    Nothing is tested and nothing staked. A version that had abdicated is given another chance.

    Raises:
        ValueError: it is champion already, or no reason is given.
        ConnectionError: the tracking server does not answer.
    """
    if not why.strip():
        raise ValueError("expected a reason: whoever reads the history later will ask for it (--because TEXT).")
    held = read(settings, version.entry)
    version, reigning = held.numbered(version.entry, version.number), held.champion(version.entry)
    if version.champion:
        raise ValueError(f"{version} is the champion already; nothing was changed.")
    said = ByHand(
        who=getuser(), when=_now(), why=why.strip(), before=reigning.number if reigning else None, rollback=rollback
    )
    client, number = connect(settings), str(version.number)
    with plain_errors():
        client.set_model_version_tag(version.entry, number, f"{BY_HAND}{said.when:%Y%m%dT%H%M%S.%f}", _json(said))
        if version.abdicated:
            client.delete_model_version_tag(version.entry, number, ABDICATED)
        client.set_registered_model_alias(version.entry, CHAMPION, number)
    return said


def stored(version: Version) -> Ruling | None:
    """The verdict that is stored on a version, None while there is none."""
    return RULING.validate_python(version.verdict) if version.verdict else None


def by_hand(version: Version) -> tuple[ByHand, ...]:
    """How often people made a version champion, oldest first."""
    return tuple(ByHand.model_validate(said) for said in version.by_hand)


def replay(version: Version, settings: Settings) -> tuple[Tested, Tested]:
    """The verdict on a version as it is stored, and made again: from the units that it names, under the rule that it
    was made by, with the purse and the pool that the verdicts before it left.

    Raises:
        ValueError: it has none, nothing was weighed for it, or what it was made from is gone or was changed.
        ConnectionError: the tracking server does not answer.
    """
    verdict = stored(version)
    if not isinstance(verdict, Tested):
        why = verdict.reason if verdict else "the gate has not judged it"
        raise ValueError(f"{version}: there is no verdict to make again: {why}.")
    held = read(settings, version.entry)
    champion = None if verdict.champion is None else held.numbered(version.entry, verdict.champion)
    anew: Tested = verdict
    if isinstance(verdict, Verdict):
        terms = verdict.terms
        again = _terms(version, champion, held, at=terms.asked, margin=terms.margin, may_lose=terms.may_lose)
        anew = verdict.model_copy(update={"terms": again})
    with TemporaryDirectory() as scratch:
        rescored = None
        if champion and not alike(version, champion):
            rescored = kept(version, verdict.units["champion/units.parquet"], settings, Path(scratch) / "rescored")
        mine, theirs = sides(version, champion, settings, Path(scratch), rescored=rescored)
        return verdict, gate.replay(anew, mine.units, theirs.units, scoring(verdict.protocol))


def _rule(version: Version, held: Snapshot, settings: Settings, *, rescored: Path | None) -> Ruling:
    """The verdict on a version that has none, all that it was made from stored."""
    reigning = held.champion(version.entry)
    common: dict[str, Any] = {
        "entry": version.entry,
        "challenger": version.number,
        "protocol": version.protocol,
        "data_digest": version.data_digest,
    }
    if reigning and _same_weights(version, reigning):
        why = f"the weights of champion {reigning}, scored anew: the same model, so there was nothing to test"
        return Succession(reason=why, champion=reigning.number, asked=_now(), **common)
    if met := _met(version, reigning, held):
        earlier = stored(met)
        decision = "REJECT" if earlier and earlier.decision == "REJECT" else "HOLD"
        why = (
            f"the weights of {met}, which the gate has weighed against this champion on these units: nothing was asked"
        )
        champion = reigning.number if reigning else None
        return Echo(decision=decision, of=met.number, reason=why, champion=champion, asked=_now(), **common)
    wanted = demands(version.entry, settings)
    with TemporaryDirectory() as scratch:
        mine, theirs = sides(version, reigning, settings, Path(scratch), rescored=rescored)
        verdict = gate.judge(
            mine,
            theirs,
            scoring(version.protocol),
            entry=version.entry,
            terms=_terms(version, reigning, held, margin=wanted.margin, may_lose=wanted.may_lose),
        )
        if theirs.units == rescored:
            keep(version, theirs.units, settings)
    return verdict


def _terms(
    version: Version,
    champion: Version | None,
    held: Snapshot,
    *,
    at: datetime | None = None,
    margin: float,
    may_lose: dict[str, float],
) -> Terms:
    """The terms of a challenge, from the verdicts on the entry's other versions alone.

    Args:
        champion: the version that reigns, None for the floor.
        at: when it was asked, of one that is made again; else it is asked now, in any case after all others.
    """
    others = [(v.number, stored(v)) for v in held.versions(version.entry) if v.number != version.number]
    staked = sorted(
        (ruling for _, ruling in others if isinstance(ruling, Verdict) and (at is None or ruling.terms.asked < at)),
        key=lambda verdict: verdict.terms.asked,
    )
    last = staked[-1] if staked else None
    asked = at or max([_now(), *(verdict.terms.asked + TICK for verdict in staked[-1:])])
    purse = refilled(last.terms.purse - last.alpha, since=last.terms.asked, until=asked) if last else FULL
    rebuild = champion is not None and _same_recipe(version, champion)
    earlier = [(n, r) for n, r in others if isinstance(r, patience.Verdict) or r in staked]
    return Terms(
        asked=asked,
        purse=purse,
        stake=stake_of(purse, rebuild=rebuild),
        rebuild=rebuild,
        floor=champion is None,
        margin=margin,
        may_lose=may_lose,
        pool=_pool(version, champion, earlier),
    )


def _pool(version: Version, champion: Version | None, earlier: Iterable[tuple[int, Ruling | None]]) -> dict[int, float]:
    """The standard errors of earlier challenges on the units of this version, by version number.

    Of champions or of the floor, whichever reigns: models differ more from the floor than from each other.
    """
    return {
        number: ruling.corrected_error
        for number, ruling in earlier
        if isinstance(ruling, Tested)
        and (ruling.champion is None) == (champion is None)
        and ruling.spread
        and (ruling.protocol, ruling.data_digest) == (version.protocol, version.data_digest)
    }


def _met(version: Version, reigning: Version | None, held: Snapshot) -> Version | None:
    """The version of the same weights that was weighed against this champion on these units, if there is one."""
    champion = reigning.number if reigning else None
    for other in held.versions(version.entry):
        ruling = stored(other)
        if (
            other.number != version.number
            and isinstance(ruling, Tested)
            and ruling.champion == champion
            and alike(version, other)
            and _same_weights(version, other)
        ):
            return other
    return None


def _same_recipe(version: Version, other: Version) -> bool:
    """Whether nothing but code, seed or packages is between the two."""
    mine, theirs = ({k: v for k, v in each.recipe.items() if k != "seed"} for each in (version, other))
    return mine == theirs and version.record.data_digest == other.record.data_digest


def _same_weights(version: Version, other: Version) -> bool:
    """Whether two versions are one model; where an older one does not tell its weights, what decided them speaks."""
    if version.weights and other.weights:
        return version.weights == other.weights
    return version.trains == other.trains


def _now() -> datetime:
    return datetime.now(UTC)


def _json(said: ByHand) -> str:
    return said.model_dump_json()
