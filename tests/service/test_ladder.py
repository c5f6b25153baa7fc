"""The ladder: when it climbs, when it comes down, and that it does neither too soon."""

from __future__ import annotations

from itertools import cycle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earful.service.ladder import (
    NEVER,
    PARTIALS_EVERY_MS,
    Ladder,
    LadderRules,
    Level,
    Openness,
    Reading,
    doubling,
    filling,
)

RULES = LadderRules(doubling(0.5), doubling(0.1), filling(0.8))
SWEEP_S = 0.25
READINGS = st.builds(Reading, st.floats(0, 10), st.floats(0, 2), st.floats(0, 1))


def changes(
    ladder: Ladder, reading: Reading, seconds: float, since: float = 0.0, top: Level = Level.HANDING_OVER
) -> list[tuple[float, int]]:
    """What this reading makes of it, sweep by sweep: when it changes, and to what."""
    looks = (nth * SWEEP_S for nth in range(int(seconds / SWEEP_S) + 1))
    return [(at, int(ladder.level)) for at in looks if ladder.observe(reading, since + at, top)]


LATE = Reading(audio_lag_s=9.0)


def climbed(to: Level, reading: Reading = LATE) -> Ladder:
    """A ladder that stands there, at 100 s."""
    ladder = Ladder(RULES)
    changes(ladder, reading, 100, top=to)
    return ladder


@pytest.mark.parametrize(
    ("reading", "highest", "cause"),
    [
        (Reading(), 0, ""),
        (Reading(audio_lag_s=0.49), 0, ""),
        (Reading(audio_lag_s=0.5), 1, "audio_lag"),
        (Reading(audio_lag_s=1.0, loop_lag_s=0.1), 2, "audio_lag"),
        (Reading(audio_lag_s=0.5, loop_lag_s=0.4), 3, "loop_lag"),
        (Reading(loop_lag_s=60.0), 4, "loop_lag"),
        (Reading(memory_share=0.8), 3, "memory"),
        (Reading(memory_share=0.9), 4, "memory"),
    ],
)
def test_the_worst_reading_says_how_high(reading: Reading, highest: int, cause: str) -> None:
    """One step after the other, and no further than it asks for."""
    ladder = Ladder(RULES)
    assert list(range(1, highest + 1)) == [level for _, level in changes(ladder, reading, 60)]
    assert (highest, cause, highest > 0) == (ladder.level, ladder.cause, ladder.has_risen)


def test_each_step_up_takes_lasting_pressure() -> None:
    """A second each, and five until somebody is sent on."""
    assert [(1.0, 1), (2.0, 2), (3.0, 3), (8.0, 4)] == changes(Ladder(RULES), Reading(audio_lag_s=9.0), 25)


@pytest.mark.parametrize(
    ("bad", "good", "rises_at"),
    [(1, 0, 1.0), (4, 1, 1.5), (3, 1, 1.5), (2, 1, 2.5), (1, 1, None), (1, 2, None), (2, 2, None)],
)
def test_most_looks_decide(bad: int, good: int, rises_at: float | None) -> None:
    """A loop that stands still now and then is no overload; one that moves now and then is."""
    ladder = Ladder(RULES)
    looks = (nth * SWEEP_S for nth in range(400))
    readings = cycle([Reading(loop_lag_s=5.0)] * bad + [Reading()] * good)
    assert rises_at == next(
        (at for at, reading in zip(looks, readings, strict=False) if ladder.observe(reading, at)), None
    )


def test_a_lag_that_wavers_does_not_hold_a_level_for_ever() -> None:
    """What asks for more most of the time has it; before, one milder look in three began the wait anew."""
    ladder = Ladder(RULES)
    for nth, loop_lag_s in zip(range(400), cycle([0.45, 0.45, 0.3]), strict=False):
        ladder.observe(Reading(audio_lag_s=1.95, loop_lag_s=loop_lag_s), nth * SWEEP_S)
    assert Level.NO_NEW_SESSIONS is ladder.level


def test_a_long_look_is_one_look() -> None:
    """The loop stood still meanwhile, once."""
    ladder = Ladder(RULES)
    assert [False, False, True] == [ladder.observe(LATE, at) for at in (0.0, 30.0, 60.0)]


def test_it_comes_down_step_by_step_when_all_is_calm() -> None:
    """Two seconds each: from no new sessions to normal in six."""
    ladder = climbed(Level.NO_NEW_SESSIONS)
    assert [(2.0, 2), (4.0, 1), (6.0, 0)] == changes(ladder, Reading(), 25, since=200)
    assert not ladder.has_risen


@pytest.mark.parametrize(
    ("reading", "lowest"),
    [
        (Reading(audio_lag_s=1.4), 3),
        (Reading(audio_lag_s=1.39), 2),
        (Reading(audio_lag_s=0.36, loop_lag_s=0.069), 1),
    ],
)
def test_calm_is_well_below_what_asked_for_the_level(reading: Reading, lowest: int) -> None:
    """Or it would go up and down all the time."""
    ladder = climbed(Level.NO_NEW_SESSIONS)
    changes(ladder, reading, 60, since=200)
    assert lowest == ladder.level


@pytest.mark.parametrize(("memory_share", "lowest"), [(0.81, 3), (0.78, 3), (0.77, 0)])
def test_memory_that_asked_for_a_level_has_to_fall_below_it(memory_share: float, lowest: int) -> None:
    """By a little: a process gives little back."""
    ladder = climbed(Level.NO_NEW_SESSIONS, Reading(memory_share=0.8))
    changes(ladder, Reading(memory_share=memory_share), 60, since=200)
    assert lowest == ladder.level


@pytest.mark.parametrize(("memory_share", "lowest"), [(0.8, 3), (0.79, 0)])
def test_memory_that_asked_for_nothing_holds_nothing(memory_share: float, lowest: int) -> None:
    """A machine that is always nearly full comes down from another's pressure all the same."""
    ladder = climbed(Level.NO_NEW_SESSIONS)
    changes(ladder, Reading(memory_share=memory_share), 60, since=200)
    assert lowest == ladder.level


def test_it_climbs_no_higher_than_it_may() -> None:
    """Where no other worker can take a session, none is sent on; one that could has gone: it comes down."""
    assert Level.NO_NEW_SESSIONS is climbed(Level.NO_NEW_SESSIONS).level
    ladder = climbed(Level.HANDING_OVER)
    assert [(2.0, 3)] == changes(ladder, Reading(audio_lag_s=9.0), 25, since=200, top=Level.NO_NEW_SESSIONS)


def test_without_steps_nothing_is_ever_too_much() -> None:
    """What a setting of 0 makes."""
    assert (NEVER, NEVER) == (doubling(0), filling(0))
    ladder = Ladder(LadderRules())
    assert [] == changes(ladder, Reading(1e9, 1e9, 1.0), 60)


@given(st.lists(READINGS, max_size=200), st.sampled_from(Level))
def test_it_never_flaps(readings: list[Reading], top: Level) -> None:
    """Whatever is read: a step at a time, never above the top, and two changes are a second apart at least."""
    ladder, before, changed_at = Ladder(RULES), Level.NORMAL, -1.0
    for nth, reading in enumerate(readings):
        now = nth * SWEEP_S
        if ladder.observe(reading, now, top):
            assert 1 == abs(ladder.level - before)
            assert now - changed_at >= RULES.rise_s[0]
            changed_at = now
        else:
            assert before is ladder.level
        assert ladder.level <= top
        before = ladder.level


@given(st.lists(READINGS, max_size=200))
def test_from_anywhere_calm_leads_to_the_foot(readings: list[Reading]) -> None:
    """Within the time that the steps down take."""
    ladder = Ladder(RULES)
    for nth, reading in enumerate(readings):
        ladder.observe(reading, nth * SWEEP_S)
    changes(ladder, Reading(), len(Level) * RULES.fall_s, since=len(readings) * SWEEP_S)
    assert Level.NORMAL is ladder.level


def test_each_level_has_its_partials() -> None:
    """All, fewer, none."""
    assert list(Level) == list(PARTIALS_EVERY_MS)
    assert sorted(PARTIALS_EVERY_MS.values()) == list(PARTIALS_EVERY_MS.values())


def test_openness_is_slower_than_the_level() -> None:
    """Shut after five seconds of it, open again after fifteen; in between nothing changes it."""
    openness, changed_at = Openness(), []
    for second in range(60):
        was = openness.is_open
        openness.observe(Level.NO_NEW_SESSIONS if second < 30 and second != 2 else Level.FINALS_ONLY, float(second))
        if openness.is_open is not was:
            changed_at.append(second)
    assert [8, 45] == changed_at
