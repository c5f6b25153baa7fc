"""What each scenario promises, and when that is kept."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.support.stretches import OVERLOAD, stretch

from earful.bench.scenario.judgement import bends_at, checks_of, recovery_checks, recovery_s
from earful.bench.scenario.shape import overload, ramp, sustained

if TYPE_CHECKING:
    from earful.bench.scenario.shape import Shape
    from earful.bench.scenario.stretch import Stretch

RAMP, SUSTAINED = ramp(10, 10.0), sustained(10, 10.0)
LONG = overload(10, 30.0, 30.0, (2.0, 0.5))
BESIEGED = replace(OVERLOAD, asks_again=True)
HALF, FULL = stretch("0.5x", level=2.5), stretch("1x", level=5.0)
BEYOND = stretch("4x", level=20.0, refused=30, refused_p99_ms=5.0)
AFTER = stretch("0.5x", at_s=14.0, level=2.5)


def broken(shape: Shape, *phases: Stretch) -> list[str]:
    """The promises that do not hold."""
    return [check.promise for check in checks_of(shape, phases, 100.0) if not check.holds]


@pytest.mark.parametrize(
    ("shape", "phases", "promises"),
    [
        (SUSTAINED, [], ["something was measured"]),
        (SUSTAINED, [stretch(), stretch()], []),
        (SUSTAINED, [stretch(lost=1)], ["no sessions lost"]),
        (SUSTAINED, [stretch(errors=1)], ["no errors"]),
        (SUSTAINED, [stretch(refused=1)], ["no sessions refused"]),
        (SUSTAINED, [stretch(p99_ms=101.0)], ["p99 at most 100 ms"]),
        (SUSTAINED, [stretch(p99_ms=None)], ["p99 at most 100 ms"]),
        (SUSTAINED, [stretch(answered=96)], ["at least 97% of the spoken chunks answered"]),
        (SUSTAINED, [stretch(answered=0, owed=0)], ["at least 97% of the spoken chunks answered"]),
        (RAMP, [stretch(p99_ms=500.0, refused=9)], []),
        (RAMP, [stretch(lost=2)], ["no sessions lost"]),
        (RAMP, [stretch(p99_ms=None, answered=0)], ["spoken chunks answered"]),
        (OVERLOAD, [HALF, FULL, BEYOND, AFTER], []),
        (OVERLOAD, [HALF], []),
        (OVERLOAD, [HALF, stretch(level=20.0, p99_ms=66.0)], ["p99 of the admitted at most 1.25 x the unloaded"]),
        (OVERLOAD, [HALF, stretch(level=5.0, good_s_per_s=1.0)], []),
        (OVERLOAD, [HALF, stretch(level=20.0, good_s_per_s=5.0)], ["goodput at least 90% of its peak"]),
        (
            OVERLOAD,
            [stretch(level=2.5, good_s_per_s=0.0), stretch(level=20.0, good_s_per_s=0.0)],
            ["goodput at least 90% of its peak"],
        ),
        (
            OVERLOAD,
            [HALF, stretch(level=20.0, refused=1, refused_p99_ms=101.0)],
            ["refusals answered within 100 ms at p99"],
        ),
        (
            OVERLOAD,
            [stretch(level=2.5, p99_ms=None), stretch(level=2.5, p99_ms=None)],
            ["p99 of the admitted at most 1.25 x the unloaded"],
        ),
    ],
)
def test_a_promise_that_does_not_hold_is_named(shape: Shape, phases: list[Stretch], promises: list[str]) -> None:
    """All others hold."""
    assert promises == broken(shape, *phases)


def test_it_is_normal_when_nobody_is_refused_and_answers_come_as_before() -> None:
    """For three intervals in a row: one good one among bad ones is chance."""
    bad, good, refusing = stretch(p99_ms=70.0), stretch(), stretch(refused=1)
    each = [bad, good, refusing, good, good, good, bad]
    after = [replace(interval, at_s=14.0 + nth) for nth, interval in enumerate(each)]
    phases = [HALF, BEYOND, AFTER]
    assert 3.0 == recovery_s(OVERLOAD, phases, [stretch(at_s=0.0), *after])
    assert [None, None] == [recovery_s(OVERLOAD, phases, after[:most]) for most in (1, 2)]
    assert None is recovery_s(OVERLOAD, phases, after[:5])  # Two good ones at the end may be chance, too.
    assert None is recovery_s(OVERLOAD, [HALF, BEYOND], [stretch(at_s=10.0 + nth) for nth in range(4)])
    assert 0.0 == recovery_s(BESIEGED, phases, [stretch(at_s=14.0 + nth, refused=9) for nth in range(3)])
    assert None is recovery_s(OVERLOAD, phases, [stretch(at_s=14.0, p99_ms=None)])
    assert [None, None, None] == [
        recovery_s(RAMP, phases, after),
        recovery_s(OVERLOAD, [HALF], after),
        recovery_s(OVERLOAD, [stretch(p99_ms=None), AFTER], after),
    ]


@pytest.mark.parametrize(
    ("shape", "recovered_s", "played_s", "holds"),
    [
        (OVERLOAD, None, 18.0, [False]),
        (OVERLOAD, None, 17.0, []),
        (OVERLOAD, None, 3.0, []),
        (OVERLOAD, 1.0, 17.0, [True]),
        (LONG, None, 60.0 + 13.0, [False]),
        (LONG, None, 60.0 + 12.0, []),
        (LONG, 10.0, 90.0, [True]),
        (LONG, 11.0, 90.0, [False]),
        (SUSTAINED, None, 10.0, []),
    ],
)
def test_a_recovery_that_was_not_played_is_not_judged(
    shape: Shape, recovered_s: float | None, played_s: float, holds: list[bool]
) -> None:
    """Where it was broken off before the last phase, or so early in it that it might still have come."""
    assert holds == [check.holds for check in recovery_checks(shape, recovered_s, played_s)]


def test_a_ramp_bends_where_three_intervals_in_a_row_do_not_hold() -> None:
    """At the streams of the first of them."""
    slow = [stretch(streams=20.0 + nth, p99_ms=150.0) for nth in range(3)]
    assert 20.0 == bends_at([stretch(), slow[0], stretch(p99_ms=None), *slow], 100.0)
    assert 9.0 == bends_at([stretch(), stretch(streams=9.0, refused=1)], 100.0)
    assert None is bends_at([slow[0], stretch()], 100.0)
