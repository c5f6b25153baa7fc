"""Stalls, judged by a table of looks: what counts, what does not, and how long it lasted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earful.telemetry.stall import LOOK_EVERY_S, STALLED_AFTER_S, Stall, Turn


def looked(stall: Stall, *looks: tuple[float, float, float]) -> list[Turn | None]:
    """What came of each look: now, the processor's time, when the loop moved."""
    return [stall.look(*look) for look in looks]


def test_a_stall_is_told_at_its_beginning_and_its_end() -> None:
    """Once each, with its length."""
    stall = Stall(100.0, 0.0)
    quarters = [100 + nth / 4 for nth in range(40)]
    turns = looked(stall, *((now, 0.0, 100.0) for now in quarters))
    assert {8: Turn.BEGAN} == {nth: turn for nth, turn in enumerate(turns) if turn is not None}
    assert Turn.ENDED is stall.look(110.0, 0.0, 109.9)
    assert 9.75 == pytest.approx(stall.lasted_s)
    assert [None, None] == looked(stall, (110.25, 0.0, 109.9), (110.5, 0.0, 110.4))


def test_what_began_before_the_first_look_counts() -> None:
    """As far as that look's turn reaches back."""
    stall = Stall(9.75, 0.0)
    stall.look(10.0, 0.0, 9.8)
    stall.look(10.25, 0.0, 10.05)
    assert 0.2 == pytest.approx(stall.stood_s)


def test_a_stopped_process_has_not_stalled() -> None:
    """Nobody ran, the judge neither; afterwards it judges as before."""
    stall = Stall(0.0, 0.0)
    assert [None, None, None] == looked(stall, (0.0, 0.0, 0.0), (0.25, 0.1, 0.0), (600.0, 0.1, 0.0))
    assert 2 * LOOK_EVERY_S == stall.stood_s


def test_who_computes_and_lets_nobody_in_has_stalled_the_loop() -> None:
    """The judge came as late as after a stop, but the process had worked."""
    stall = Stall(0.0, 0.0)
    assert [None, None, Turn.BEGAN] == looked(stall, (0.0, 0.0, 0.0), (0.25, 0.1, 0.0), (6.0, 5.8, 0.0))
    assert 6.0 == stall.stood_s


def test_a_stall_may_have_begun_and_be_noticed_at_one_look() -> None:
    """The loop had moved once more before whoever computes let nobody in."""
    stall = Stall(0.0, 0.0)
    assert [None, Turn.BEGAN] == looked(stall, (0.25, 0.1, 0.1), (6.0, 5.8, 0.3))
    assert 5.7 == pytest.approx(stall.lasted_s)
    assert [Turn.ENDED, Turn.BEGAN] == looked(stall, (12.0, 11.0, 6.1), (12.25, 11.1, 6.1))
    assert 6.15 == pytest.approx(stall.lasted_s)


@given(st.lists(st.tuples(st.floats(0.01, 30), st.floats(0, 1), st.booleans()), max_size=200))
def test_beginnings_and_ends_take_turns(steps: list[tuple[float, float, bool]]) -> None:
    """Whatever happens; and a stall has lasted at least as long as one must."""
    stall = Stall(0.0, 0.0)
    now = cpu_s = moved_at = 0.0
    told: list[Turn] = []
    for passed_s, share, moves in steps:
        now, cpu_s = now + passed_s, cpu_s + share * passed_s
        moved_at = now if moves else moved_at
        turn = stall.look(now, cpu_s, moved_at)
        told += [] if turn is None else [turn]
        assert turn is None or stall.lasted_s >= STALLED_AFTER_S
    assert told == [Turn.BEGAN, Turn.ENDED] * (len(told) // 2) + [Turn.BEGAN] * (len(told) % 2)
