"""How much error an entry may still risk: a purse that the calendar refills, and every challenge stakes a part of it.

Full it holds `FULL`; `A_YEAR` comes back over 365 days, evenly, and never more than full. A challenge stakes half of
what is in it, whatever comes of it: so asking rarely leaves much for each question, asking every night little, and
never nothing. What is staked in any 365 days is at most what was there and what came back, `FULL + A_YEAR` = 0.05.
"""

from datetime import datetime

FULL = 0.01
A_YEAR = 0.04
DAYS = 365
STAKED = 1 / 2
STAKED_ON_A_REBUILD = 1 / 16  # the champion's own recipe and data again: little is to be expected of it
SECONDS = 86_400  # of a day


def refilled(left: float, *, since: datetime, until: datetime) -> float:
    """What a purse holds in which so much was left; a clock that was set back refills nothing."""
    days = max(0.0, (until - since).total_seconds() / SECONDS)
    return min(FULL, left + A_YEAR * days / DAYS)


def stake_of(purse: float, *, rebuild: bool) -> float:
    """What a challenge risks of it: decided before anybody has looked at a number."""
    return purse * (STAKED_ON_A_REBUILD if rebuild else STAKED)
