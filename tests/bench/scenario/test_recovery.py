"""After an overload: what is normal, since when it is, and what intervals cannot tell."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.stretches import OVERLOAD, stretch

from earful.bench.scenario.recovery import Recovery, Regained, normal_ms, recoveries_of, slowest_s
from earful.bench.scenario.shape import overload, ramp

if TYPE_CHECKING:
    from earful.bench.scenario.stretch import Stretch

HALF, FULL = stretch("0.5x", level=2.5), stretch("1x", level=5.0, p99_ms=80.0)
BEYOND = stretch("4x", level=20.0, p99_ms=90.0)
NORMAL, SLOW, REFUSING = stretch(), stretch(p99_ms=70.0), stretch(arrived=2, refused=1)
UNANSWERED, SILENT = stretch(p99_ms=None, answered=0), stretch(p99_ms=None, answered=0, owed=0)
SHUT = stretch(arrived=9, refused=9)
EMPTY = replace(SILENT, streams=0.0, arrived=9, refused=9)
KINDS = {"n": NORMAL, "s": SLOW, "r": REFUSING, "u": UNANSWERED, "-": SILENT, "x": SHUT, "e": EMPTY}


def intervals(kinds: str, at_s: float = 0.0, every_s: float = 1.0) -> list[Stretch]:
    """One after another, as the letters say."""
    return [replace(KINDS[kind], at_s=at_s + nth * every_s, seconds=every_s) for nth, kind in enumerate(kinds)]


def recovery(kinds: str, every_s: float = 1.0, *, asks_again: bool = False) -> Recovery:
    """That of such intervals."""
    return Recovery.of(0.0, intervals(kinds, every_s=every_s), 65.0, asks_again=asks_again)


@pytest.mark.parametrize(
    ("kinds", "normal_s", "is_in_time"),
    [
        ("nnn", 0.0, True),
        ("ssnnns", 2.0, True),
        ("rrnnn", 2.0, True),
        ("uunnn", 2.0, True),
        ("snrnnnn", 3.0, True),
        ("s" * 10 + "nnn", 10.0, True),
        ("s" * 11 + "nnn", 11.0, False),
        ("s" * 11, None, False),
        ("n" + "sn" * 6, None, False),
        ("s" * 10, None, None),
        ("sssnn", None, None),
        ("nn", None, None),
        ("", None, None),
    ],
)
def test_three_normal_intervals_in_a_row_are_a_recovery(
    kinds: str, normal_s: float | None, *, is_in_time: bool | None
) -> None:
    """It took too long where an interval that began later was not normal; before that nobody knows."""
    assert (normal_s, is_in_time) == ((found := recovery(kinds)).normal_s, found.is_in_time)


def test_seconds_in_which_nobody_spoke_say_nothing() -> None:
    """Neither that all was normal, nor that it was not."""
    assert [1.0, 0.0, None, None] == [recovery(kinds).normal_s for kinds in ("-n-n-n", "n--nn", "----", "n-s-nn")]
    assert [None, None] == [recovery(kinds).is_in_time for kinds in ("-" * 20, "-" * 11 + "nnn")]
    assert False is recovery("-" * 11 + "snnn").is_in_time
    assert 3.0 == recovery("-r-nnn").normal_s


def test_who_asks_again_is_refused_until_all_had_their_turn() -> None:
    """By itself that is normal, also where nobody was heard meanwhile."""
    assert [0.0, 2.0] == [recovery(kinds, asks_again=True).normal_s for kinds in ("rrr", "-srrr")]
    assert None is recovery("x" * 9, asks_again=True).normal_s


@pytest.mark.parametrize(
    ("kinds", "normal_s", "is_in_time"),
    [
        ("xxrxx", 0.0, True),
        ("xxxxrxx", 2.0, True),
        ("eernn", 2.0, True),
        ("x" * 5 + "e" * 8, None, False),
        ("e" * 13, None, False),
        ("x" * 13, None, None),
    ],
)
def test_where_nobody_is_let_in_nothing_is_normal(
    kinds: str, normal_s: float | None, *, is_in_time: bool | None
) -> None:
    """Though those who were there before are answered as well as ever, until the last of them has left."""
    found = recovery(kinds, asks_again=True)
    assert (normal_s, is_in_time) == (found.normal_s, found.is_in_time)


def test_a_pause_of_those_who_are_there_is_no_empty_house() -> None:
    """Also where others are refused."""
    paused = [replace(SILENT, at_s=float(nth), arrived=9, refused=9) for nth in range(13)]
    assert None is Recovery.of(0.0, paused, 65.0, asks_again=True).is_in_time


@pytest.mark.parametrize(
    ("kinds", "is_in_time"), [("nnn", True), ("snnn", None), ("ssnnn", False), ("sss", False), ("s", None)]
)
def test_long_intervals_tell_what_they_can(kinds: str, *, is_in_time: bool | None) -> None:
    """One of twelve seconds was slow perhaps only in its first."""
    assert is_in_time is recovery(kinds, every_s=12.0).is_in_time


@given(st.text("nsru-", max_size=30), st.sampled_from([0.5, 1.0, 4.0, 30.0]))
def test_a_verdict_has_its_reason(kinds: str, every_s: float) -> None:
    """In time, something normal was seen that early; too late, something that was not was seen that late."""
    found = recovery(kinds, every_s)
    if found.is_in_time:
        assert "n" == kinds[int((found.normal_s or 0.0) / every_s)]
    elif found.is_in_time is False:
        assert kinds[int(found.not_before_s / every_s)] in "sru"
        assert found.not_before_s >= 10.0
    assert found.seen_s == len(kinds) * every_s


@pytest.mark.parametrize(
    ("phases", "bound_ms"),
    [
        ([HALF, FULL, BEYOND], 65.0),
        ([FULL, HALF, BEYOND], 65.0),
        ([FULL, BEYOND, HALF], 100.0),
        ([BEYOND, HALF], None),
        ([replace(HALF, p99_ms=None), FULL, BEYOND], 100.0),
        ([replace(HALF, p99_ms=None), BEYOND], None),
        ([], None),
    ],
)
def test_normal_is_what_the_lowest_phase_before_the_overload_was(phases: list[Stretch], bound_ms: float | None) -> None:
    """Whichever came first, by a quarter more; what comes later is not unloaded, but recovering."""
    assert bound_ms == normal_ms(OVERLOAD, phases)


def test_there_is_a_recovery_after_each_overload() -> None:
    """Looked at from where there is room to where there is none any more, or to what was played."""
    shape = overload(10, 5.0, 2.0, (0.5, 3.0, 0.5, 5.0, 1.0, 0.5, 0.9))  # Room from 12 to 25 and from 35 to 61 s.
    phases = [HALF, BEYOND]
    each = [*intervals("n" * 12), *intervals("ssnnnnnnnnnnn", 12.0), *intervals("r" * 10, 25.0)]
    each += intervals("sssssnnn", 35.0)
    found = recoveries_of(shape, phases, each)
    assert [(13.0, 2.0, True), (8.0, 5.0, True)] == [(it.seen_s, it.normal_s, it.is_in_time) for it in found]
    assert [5.0, 2.0, None] == [slowest_s(found), slowest_s(found[:1]), slowest_s([])]
    assert None is slowest_s(recoveries_of(shape, phases, each[:-1]))
    assert [1, 0] == [len(recoveries_of(shape, phases, each[:most])) for most in (13, 12)]
    assert [] == recoveries_of(shape, [BEYOND], each)
    assert [] == recoveries_of(ramp(10, 10.0), phases, each)


def test_an_interval_that_reaches_into_the_overload_is_none_of_the_recovery() -> None:
    """Neither before it nor after it; sums of seconds may be off by a little."""
    shape = overload(10, 4.5, 2.0, (0.5, 3.0, 0.5))  # Room from 11 to 24 s.
    (found,) = recoveries_of(shape, [HALF, BEYOND], intervals("n" * 20, 10.5))
    assert (13.0 - 1.0, 0.5) == (found.seen_s, found.normal_s)
    (found,) = recoveries_of(shape, [HALF, BEYOND], intervals("n" * 20, 10.9999999))
    assert (13.0, 0.0) == (found.seen_s, found.normal_s)


@pytest.mark.parametrize(
    ("good_s_per_s", "level", "share"), [(6.0, 2.5, 1.0), (3.0, 2.5, 0.5), (6.0, 4.5, None), (0.0, 2.5, 0.0)]
)
def test_goodput_is_compared_with_that_at_the_same_level(
    good_s_per_s: float, level: float, share: float | None
) -> None:
    """Of the seconds since all was normal again; before an overload without goodput there is nothing to compare."""
    after = [replace(it, level=level, good_s_per_s=good_s_per_s) for it in intervals("nnnnn", 16.0)]
    each = [*intervals("ss", 14.0), *after]
    (found,) = recoveries_of(OVERLOAD, [HALF, FULL, BEYOND], each)
    assert share == (found.regained.share if found.regained else None)
    (blind,) = recoveries_of(OVERLOAD, [replace(HALF, good_s_per_s=0.0), BEYOND], each)
    (late,) = recoveries_of(OVERLOAD, [HALF, BEYOND], each[:4])
    assert (None, None) == (blind.regained, late.regained)


@pytest.mark.parametrize(("seconds", "session_s", "chance"), [(20, 5.0, 0.2), (2, 20.0, 0.2), (2000, 5.0, 0.02)])
def test_what_few_arrivals_show_may_be_chance(seconds: int, session_s: float, chance: float) -> None:
    """Of two hundred before and as many after two deviations are a fifth; a session is seen as long as it lasts."""
    before, after = stretch(level=10.0, seconds=float(seconds)), intervals("n" * seconds)
    assert chance == pytest.approx(Regained.of(before, after, session_s).chance)
