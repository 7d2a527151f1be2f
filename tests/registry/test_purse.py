"""The purse of error by hand: refilled by the calendar, never more than full, and at most 0.05 staked in a year."""

from datetime import UTC, datetime, timedelta

import pytest

from registry.purse import FULL, refilled, stake_of

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


def after(left: float, **passed: float) -> float:
    return refilled(left, since=NOON, until=NOON + timedelta(**passed))


def test_a_day_gives_a_365th_of_four_points() -> None:
    assert after(0.0, days=1) == pytest.approx(0.04 / 365)
    assert after(0.001, hours=12) == pytest.approx(0.001 + 0.02 / 365)
    assert after(0.0, days=73) == pytest.approx(0.008)


def test_it_never_holds_more_than_a_point() -> None:
    assert after(0.0, days=91) == pytest.approx(0.04 * 91 / 365)
    assert after(0.0, days=92) == after(0.009, days=4000) == 0.01


def test_a_clock_that_was_set_back_refills_nothing() -> None:
    assert after(0.004, days=-3) == 0.004
    assert after(0.004, days=0) == 0.004


def test_stakes() -> None:
    assert stake_of(0.008, rebuild=False) == 0.004
    assert stake_of(0.008, rebuild=True) == 0.0005


@pytest.mark.parametrize("days", [1, 12, 73, 365])
@pytest.mark.parametrize("rebuild", [False, True])
def test_a_year_stakes_at_most_five_points(days: int, rebuild: bool) -> None:
    left, staked = FULL, 0.0
    for _ in range(0, 365, days):
        stake = stake_of(left, rebuild=rebuild)
        staked += stake
        left = refilled(left - stake, since=NOON, until=NOON + timedelta(days=days))
    assert staked <= 0.05
    if days == 1 and not rebuild:
        assert staked > 0.045  # asked every night, nearly all of it is used
