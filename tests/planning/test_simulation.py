"""A fleet's fate: known laws, seeds, and what a death costs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from earful.planning.simulation import Fleet, simulate

SELDOM = 1e-9
"""So that one worker dies, in the middle."""
FLEET = Fleet(workers=10, capacity=1000.0, limit=1000, reserve=100, deaths_per_day=0.0)


def erlang_b(places: int, offered: float) -> float:
    """The share that is refused where so many places are offered so much (A. K. Erlang, 1917)."""
    blocked = 1.0
    for nth in range(1, places + 1):
        blocked = offered * blocked / (nth + offered * blocked)
    return blocked


@pytest.mark.parametrize("seed", [1, 2])
def test_refusals_are_those_of_erlangs_formula(seed: int) -> None:
    """Workers that share their arrivals evenly refuse as one of their size would."""
    fleet = Fleet(workers=4, capacity=25.0, limit=25, deaths_per_day=0.0, window_s=1)
    fate = simulate(fleet, 95, 30.0, 30_000, seed)
    assert pytest.approx(erlang_b(100, 95), rel=0.2) == fate.refused_share


@pytest.mark.parametrize("session_s", [1.0, 2.0, 3.0, 5.0, 20.0])
def test_there_are_as_many_sessions_as_little_says(session_s: float) -> None:
    """Arrivals a second times how long each lasts, also where many come and go within a second (J. Little, 1961)."""
    fate = simulate(replace(FLEET, workers=2), 1000, session_s, 1500)
    assert pytest.approx(1000, rel=0.01) == fate.mean_sessions
    assert pytest.approx(1000 * 1500 / session_s, rel=0.01) == fate.arrived


@pytest.mark.parametrize("session_s", [1.0, 2.0, 5.0])
def test_short_sessions_are_refused_as_erlang_says(session_s: float) -> None:
    """Within a third, and those that are let in fill what the formula leaves."""
    fleet = Fleet(workers=4, capacity=25.0, limit=25, deaths_per_day=0.0, window_s=1)
    fate = simulate(fleet, 95, session_s, round(2500 * session_s))
    refused = erlang_b(100, 95)
    assert pytest.approx(refused, rel=1 / 3) == fate.refused_share
    assert pytest.approx(95 * (1 - refused), rel=0.015) == fate.mean_sessions


def test_a_balancer_that_looks_at_nothing_refuses_more() -> None:
    """Some workers are full while others are not."""
    even, any_one = (simulate(replace(FLEET, is_even=it), 9600, 300.0, 3600) for it in (True, False))
    assert even.refused < any_one.refused


def test_the_same_seed_has_the_same_fate() -> None:
    """Another has another."""
    fleet = replace(FLEET, deaths_per_day=50.0)
    one, same, other = (simulate(fleet, 7000, 300.0, 3600, seed) for seed in (1, 1, 2))
    assert one == same != other


def test_with_room_to_spare_a_death_is_over_when_its_sessions_are_back() -> None:
    """They take three seconds, and nobody is refused, also while the worker is away for longer."""
    fate = simulate(replace(FLEET, deaths_per_day=SELDOM, restart_s=600), 7000, 300.0, 3600)
    assert (1, 0, 0) == (fate.deaths, fate.refused, fate.given_up)
    assert pytest.approx(700, rel=0.1) == fate.displaced
    assert 3 <= fate.hurt_s_most <= 6
    assert fate.late_share < 0.001


def test_without_room_it_hurts_for_longer() -> None:
    """Until the dead worker is back, and the replay is heard."""
    roomy, full = (
        simulate(replace(FLEET, deaths_per_day=SELDOM, restart_s=60, reserve=0), sessions, 300.0, 3600)
        for sessions in (7000, 9700)
    )
    assert full.hurt_s_most > roomy.hurt_s_most + 20
    assert full.late_share > roomy.late_share


def test_who_finds_no_place_in_time_gives_up() -> None:
    """Where a machine is gone for good, and the others are full."""
    dying = replace(FLEET, workers=2, reserve=0, deaths_per_day=SELDOM, restart_s=100_000, window_s=5)
    fate = simulate(dying, 1950, 3600.0, 600)
    assert 0 < fate.given_up <= fate.displaced


def test_it_hurts_as_long_as_arrivals_are_refused_for_it() -> None:
    """Not only until the displaced have given up: those that are left have no room for who is to be there."""
    dying = replace(FLEET, workers=2, reserve=0, deaths_per_day=SELDOM, restart_s=200, window_s=5)
    over, lasting = (simulate(replace(dying, restart_s=it), 1950, 300.0, 600) for it in (200, 100_000))
    assert (200 <= over.hurt_s_most < 230, False) == (True, over.is_hurting)
    assert (300, True) == (lasting.hurt_s_most, lasting.is_hurting)


def test_where_most_are_away_most_of_the_time_it_hurts_all_the_time() -> None:
    """A thousand deaths a day of each of them, and an hour to come back."""
    fate = simulate(replace(FLEET, workers=15, deaths_per_day=1000.0, restart_s=3600), 10_000, 300.0, 3600)
    assert fate.refused_share > 0.9
    assert fate.is_hurting
    assert fate.hurt_s_most > 3400


def test_who_is_away_does_not_die() -> None:
    """Each of ten at most once, where none comes back."""
    assert 10 == simulate(replace(FLEET, deaths_per_day=1000.0, restart_s=100_000), 7000, 300.0, 3600).deaths


def test_where_nobody_is_to_die_nobody_does() -> None:
    """And nothing hurts; else one does at least."""
    calm, unlucky = (simulate(replace(FLEET, deaths_per_day=it), 7000, 300.0, 60) for it in (0.0, SELDOM))
    assert (0, 0, 0.0, False) == (calm.deaths, calm.displaced, calm.hurt_s_mean, calm.is_hurting)
    assert 1 == unlucky.deaths


def test_a_fleet_that_is_too_small_is_not_hurt_by_that() -> None:
    """Only by a death, until it is as large as it was."""
    small = replace(FLEET, workers=2, capacity=2000.0, deaths_per_day=SELDOM, restart_s=20, window_s=5)
    fate = simulate(small, 3000, 300.0, 600)
    assert (False, 20) == (fate.is_hurting, fate.hurt_s_most)


def test_a_death_at_the_very_end_hurts_until_then() -> None:
    """What is not over is counted as far as it was seen."""
    fate = simulate(replace(FLEET, deaths_per_day=5000.0, restart_s=60), 7000, 300.0, 60)
    assert fate.deaths > 5
    assert fate.is_hurting
    assert 60 >= fate.hurt_s_most > 40


def test_where_nobody_comes_nothing_is_refused() -> None:
    """And no share is divided by nothing."""
    fate = simulate(replace(FLEET, workers=1, deaths_per_day=SELDOM), 0, 300.0, 10)
    assert (0, 0.0, 0.0, 1) == (fate.arrived, fate.refused_share, fate.late_share, fate.deaths)


def test_a_million_sessions_are_a_matter_of_seconds() -> None:
    """Two thousand workers for an hour, some of which die; the test's own deadline is the proof."""
    fate = simulate(replace(FLEET, workers=1500, deaths_per_day=1.0), 1_000_000, 300.0, 3600)
    assert pytest.approx(12_000_000, rel=0.01) == fate.arrived
    assert fate.deaths > 20


def test_what_would_take_too_long_is_simulated_in_part() -> None:
    """The first seconds of it, one at least, and the fate says how many."""
    most_work = 20.0 * (1000 + FLEET.workers)
    calm, vast, deadly = (
        simulate(fleet, 7000, 300.0, 100, most_work=most_work).seconds
        for fleet in (FLEET, replace(FLEET, workers=100_000), replace(FLEET, deaths_per_day=86_400.0))
    )
    assert (100, 20, 1) == (simulate(FLEET, 7000, 300.0, 100).seconds, calm, vast)
    assert 1 <= deadly < 10
