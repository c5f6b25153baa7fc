"""What each scenario promises, when that is kept, and when nothing can be said of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.support.stretches import OVERLOAD, stretch

from earful.bench.scenario.judgement import bends_at, checks_of
from earful.bench.scenario.recovery import Recovery, Regained
from earful.bench.scenario.shape import ramp, soak, spike, sustained

if TYPE_CHECKING:
    from collections.abc import Sequence

    from earful.bench.scenario.judgement import Check
    from earful.bench.scenario.shape import Shape
    from earful.bench.scenario.stretch import Stretch

RAMP, SUSTAINED, SPIKE, SOAK = ramp(10, 10.0), sustained(10, 10.0), spike(10, 10.0), soak(10, 10.0, 4.0)
HALF, FULL = stretch("0.5x", level=2.5), stretch("1x", level=5.0)
BEYOND = stretch("4x", level=20.0, refused=30, refused_p99_ms=5.0)
AFTER = stretch("0.5x", at_s=14.0, level=2.5)
SILENT = stretch("silent", level=2.5, p99_ms=None, answered=0, owed=0)
SOON, LATE, UNSEEN = Recovery(13.0, 2.0, 3.0), Recovery(13.0, 12.0, None), Recovery(10.0, 9.0, None)
SLOWER = "p99 of the admitted at most 1.25 x the unloaded"
GOODPUT = "goodput at least 90% of its peak"
REFUSALS = "refusals answered within 100 ms at p99"
NORMAL = "normal again within 10 s"
REGAINED = "goodput after the overload at least 90% of before, but for chance"
ANSWERED = "at least 97% of the spoken chunks answered"


def judged(shape: Shape, phases: Sequence[Stretch], recoveries: Sequence[Recovery]) -> list[Check]:
    """What is said of phases that are all that was played."""
    whole = stretch(lost=sum(it.lost for it in phases), errors=sum(it.errors for it in phases))
    return checks_of(shape, whole, phases, recoveries, 100.0)


def broken(shape: Shape, *phases: Stretch) -> list[str]:
    """The promises that do not hold."""
    return [check.promise for check in judged(shape, phases, []) if check.holds is False]


def not_judged(phases: list[Stretch], recoveries: list[Recovery], shape: Shape = OVERLOAD) -> dict[str, str | None]:
    """Of what nothing was said, and why."""
    return {it.promise: it.not_judged for it in judged(shape, phases, recoveries) if it.holds is None}


def recovered(recoveries: list[Recovery]) -> Check:
    """What is said of these."""
    return judged(OVERLOAD, [HALF, BEYOND, AFTER], recoveries)[-1]


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
        (SUSTAINED, [stretch(answered=96)], [ANSWERED]),
        (SUSTAINED, [stretch(answered=0, owed=0)], [ANSWERED]),
        (RAMP, [stretch(p99_ms=500.0, refused=9)], []),
        (RAMP, [stretch(lost=2)], ["no sessions lost"]),
        (RAMP, [stretch(p99_ms=None, answered=0)], ["spoken chunks answered"]),
        (OVERLOAD, [HALF, FULL, BEYOND, AFTER], []),
        (OVERLOAD, [HALF], []),
        (OVERLOAD, [HALF, stretch(level=20.0, p99_ms=66.0)], [SLOWER]),
        (OVERLOAD, [HALF, stretch(level=5.0, good_s_per_s=1.0)], []),
        (OVERLOAD, [HALF, stretch(level=20.0, good_s_per_s=5.0)], [GOODPUT]),
        (
            OVERLOAD,
            [stretch(level=2.5, good_s_per_s=0.0), stretch(level=20.0, good_s_per_s=0.0)],
            [GOODPUT],
        ),
        (
            OVERLOAD,
            [HALF, stretch(level=20.0, refused=1, refused_p99_ms=101.0)],
            [REFUSALS],
        ),
        (OVERLOAD, [HALF, stretch(level=20.0, p99_ms=None, answered=0)], [ANSWERED, SLOWER]),
        (OVERLOAD, [HALF, BEYOND, stretch("1x", level=5.0, p99_ms=66.0)], [SLOWER]),
        (OVERLOAD, [HALF, SILENT, stretch(level=20.0, p99_ms=66.0)], [SLOWER]),
        (OVERLOAD, [stretch(level=20.0, answered=0, p99_ms=None)], [ANSWERED]),
        (OVERLOAD, [SILENT], [ANSWERED]),
        (SPIKE, [stretch(), stretch("spike", p99_ms=None, answered=0, owed=2), stretch()], ["p99 at most 100 ms"]),
        (SPIKE, [stretch(), SILENT, stretch(p99_ms=101.0)], ["p99 at most 100 ms"]),
        (SUSTAINED, [SILENT], [ANSWERED]),
        (SOAK, [stretch(seconds=10.0, arrived=9)], []),
        (SOAK, [stretch(seconds=10.0, arrived=0)], ["sessions came and went"]),
    ],
)
def test_a_promise_that_does_not_hold_is_named(shape: Shape, phases: list[Stretch], promises: list[str]) -> None:
    """All others hold."""
    assert promises == broken(shape, *phases)


@pytest.mark.parametrize(
    ("phases", "recoveries", "reasons"),
    [
        ([HALF, BEYOND, AFTER], [SOON], {}),
        ([HALF, BEYOND, AFTER], [SOON, LATE, UNSEEN], {}),
        ([HALF, BEYOND], [], {NORMAL: "nothing below the capacity was offered after an overload"}),
        (
            [HALF, BEYOND, AFTER],
            [SOON, UNSEEN],
            {NORMAL: "10 s with room, in intervals of 1 s, do not show it"},
        ),
        (
            [HALF, FULL],
            [],
            dict.fromkeys((SLOWER, GOODPUT, NORMAL), "nothing beyond the capacity was offered")
            | {REFUSALS: "nobody was refused"},
        ),
        (
            [BEYOND, AFTER],
            [],
            dict.fromkeys((SLOWER, NORMAL), "nobody was answered at or below the capacity before the overload"),
        ),
        (
            [BEYOND],
            [],
            dict.fromkeys((SLOWER, NORMAL), "nobody was answered at or below the capacity before the overload")
            | {GOODPUT: "there is nothing to compare 4x with"},
        ),
        ([HALF, SILENT, BEYOND, AFTER], [SOON], {SLOWER: "nobody spoke in silent"}),
    ],
)
def test_a_promise_of_which_nothing_was_seen_is_not_judged(
    phases: list[Stretch], recoveries: list[Recovery], reasons: dict[str, str]
) -> None:
    """It says why, instead of that it held or did not."""
    assert reasons == not_judged(phases, recoveries)


def test_a_phase_in_which_nobody_spoke_is_no_proof() -> None:
    """Of a spike in which no chunk counted it is not known how it was borne."""
    reasons = not_judged([stretch(), SILENT, stretch()], [], SPIKE)
    assert {"p99 at most 100 ms": "nobody spoke in silent"} == reasons


def test_a_soak_that_its_sessions_outlive_shows_no_churn() -> None:
    """The shortest, of half the length, would have ended as the measurement did."""
    reasons = not_judged([stretch(seconds=2.0)], [], SOAK)
    assert {"sessions came and went": "they last 2 s at least, and 2 s were measured"} == reasons


def test_what_was_never_answered_has_no_figure() -> None:
    """Infinity is no JSON."""
    check = judged(OVERLOAD, [HALF, stretch(level=20.0, p99_ms=None)], [])[3]
    assert (SLOWER, None, False) == (check.promise, check.figure, check.holds)


@pytest.mark.parametrize(
    ("recoveries", "figure", "holds"),
    [
        ([SOON], 3.0, True),
        ([SOON, Recovery(13.0, 9.0, 10.0)], 10.0, True),
        ([SOON, LATE], None, False),
        ([SOON, Recovery(30.0, 14.0, 15.0)], 15.0, False),
        ([UNSEEN, LATE], None, False),
        ([SOON, UNSEEN], None, None),
    ],
)
def test_each_overload_has_to_be_recovered_from(
    recoveries: list[Recovery], figure: float | None, *, holds: bool | None
) -> None:
    """The slowest decides, and what is not known of one is not known of all."""
    assert (NORMAL, figure, holds) == ((it := recovered(recoveries)).promise, it.figure, it.holds)


@pytest.mark.parametrize(
    ("regained", "figure", "holds"),
    [
        ([Regained(0.9, 0.0)], 0.9, True),
        ([Regained(0.89, 0.0)], 0.89, False),
        ([Regained(0.75, 0.2)], 0.75, True),
        ([Regained(0.9, 0.0), None, Regained(0.69, 0.2)], 0.69, False),
    ],
)
def test_after_an_overload_as_much_is_heard_as_before(
    regained: list[Regained | None], figure: float, *, holds: bool
) -> None:
    """Each time for which that is known."""
    check = recovered([replace(SOON, regained=it) for it in regained])
    assert (REGAINED, figure, holds) == (
        check.promise,
        check.figure,
        check.holds,
    )


def test_a_ramp_bends_where_three_intervals_in_a_row_do_not_hold() -> None:
    """At the streams of the first of them."""
    slow = [stretch(streams=20.0 + nth, p99_ms=150.0) for nth in range(3)]
    assert 20.0 == bends_at([stretch(), slow[0], stretch(p99_ms=None), *slow], 100.0)
    assert 9.0 == bends_at([stretch(), stretch(streams=9.0, refused=1)], 100.0)
    assert None is bends_at([slow[0], stretch()], 100.0)
