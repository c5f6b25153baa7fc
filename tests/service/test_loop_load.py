"""Whether an event loop has time for one more session: by the CPU time that those there take."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earful.service.loop_load import EASED, ENOUGH_S, FLOOD_PER_S, REACH, SPARED, LoopLoad, Used


def measured(
    each: float, sessions: int = 100, *, idle: float = 0.01, idle_s: int = 60, busy_s: int = 30, most: float = 0.9
) -> LoopLoad:
    """One that idled, then saw so many sessions, each of which took this share of the loop."""
    load, cpu_s = LoopLoad(most), 0.0
    for second in range(idle_s + busy_s + 1):
        present = sessions if second > idle_s else 0
        load.observe(Used(cpu_s), present, min(second, 1))
        cpu_s += idle + each * (sessions if second >= idle_s else 0)
    return load


def places(load: LoopLoad) -> int:
    """How many it lets in."""
    sessions = 1
    while sessions < 10_000 and load.has_room(sessions):
        sessions += 1
    return sessions


@pytest.mark.parametrize(("each", "sessions", "fit"), [(0.004, 100, 222), (0.004, 222, 222), (0.0089, 100, 100)])
def test_so_many_fit(each: float, sessions: int, fit: int) -> None:
    """By what they cost, besides what the loop does without any."""
    assert fit == pytest.approx(places(measured(each, sessions)), abs=2)


@pytest.mark.parametrize(
    "load",
    [LoopLoad(0.9), measured(0.5, 1, busy_s=int(ENOUGH_S) - 1), measured(0.1, most=0.0), measured(0.0)],
    ids=["nothing", "too little", "switched off", "no cost"],
)
def test_what_is_not_known_refuses_nobody(load: LoopLoad) -> None:
    """Nor does what is not asked for."""
    assert all(load.has_room(sessions) for sessions in (0, 1, 10, 100, 1000))


def test_few_say_nothing_of_many() -> None:
    """Their share of what is done once for all would be taken for a price."""
    load = measured(0.02, 10)
    assert load.load_of(int(10 * REACH)) == pytest.approx(0.01 + 0.6, rel=0.05)
    assert load.load_of(int(10 * REACH) + 2) is None
    assert load.has_room(1000)


def test_who_would_be_alone_is_let_in() -> None:
    """Or nothing would ever be measured again."""
    load = measured(2.0, 1)
    assert (False, True) == (load.has_room(1), load.has_room(0))


def test_one_that_is_full_has_room_a_little_later() -> None:
    """A load that moves about the limit does not open and close the door."""
    load = measured(0.0089, 101)
    assert not load.has_room(101)
    assert load.is_full
    limit = places(measured(0.0089, 101))
    assert not load.has_room(limit - 1)
    assert load.has_room(int(limit * EASED) - 2)
    assert not load.is_full


FLOOD = int(2 * FLOOD_PER_S)
MEASURED_S = 0.01 * 90 + 0.4 * 30
"""What the loop's thread took until second 90, where `measured(0.004)` ends."""


def flooded(cpu: float, seconds: int = 10) -> LoopLoad:
    """One that knows its price, and refuses twice a flood for so long, for this share of its time."""
    load = measured(0.004)
    for second in range(1, seconds + 1):
        load.observe(Used(MEASURED_S + second * (0.41 + cpu), FLOOD * second), 100, 1)
    return load


@pytest.mark.parametrize("cpu", [0.01, 0.1, 0.25])
def test_refusals_that_do_not_rest_are_no_price_but_need_room(cpu: float) -> None:
    """What sessions cost is known from before; they may have what the refusals leave."""
    load = flooded(cpu)
    most = min(0.9, 1 - SPARED * 0.1 - cpu)
    assert load.load_of(100) == pytest.approx(0.41, rel=0.01)
    assert (most - 0.01) / 0.004 == pytest.approx(places(load), abs=3)


def test_a_flood_that_is_over_needs_no_room() -> None:
    """A moment later; and what sessions take is learnt again."""
    load = flooded(0.25, seconds=10)
    for second in range(1, 11):
        cpu_s = MEASURED_S + 10 * (0.41 + 0.25) + second * 0.81
        load.observe(Used(cpu_s, FLOOD * 10), 100, 1)
    share = load.load_of(100)
    assert share is not None
    assert share == pytest.approx(0.75, rel=0.1)
    assert (0.9 - 0.01) / (share - 0.01) * 100 == pytest.approx(places(load), rel=0.01)


def test_a_flood_that_is_over_needs_no_room_beside_uploads_either() -> None:
    """However long these last."""
    load = flooded(0.25, seconds=10)
    before = places(load)
    for second in range(1, 11):
        load.observe(Used(1000.0 + second, FLOOD * 10), 100, 1, had_uploads=True)
    assert before < places(load)
    assert places(measured(0.004)) == pytest.approx(places(load), rel=0.02)


def test_a_flood_from_the_start_is_taken_for_a_price() -> None:
    """What sessions cost without it is not known, and too few are better than too many."""
    load = LoopLoad(0.9)
    for second in range(30):
        load.observe(Used(second * 0.6, FLOOD * second), 100, min(second, 1))
    assert 0.6 == pytest.approx(load.load_of(100))


def test_uploads_teach_nothing() -> None:
    """What they take is no session's price, also when it is over."""
    load = measured(0.004)
    before = load.load_of(100)
    load.observe(Used(1000.0), 100, 1, had_uploads=True)
    assert before == load.load_of(100)
    load.observe(Used(1000.0 + 0.41), 100, 1)
    assert before == pytest.approx(load.load_of(100), rel=0.01)


def test_what_a_model_costs_now_is_soon_known() -> None:
    """Within seconds of a change."""
    load, cpu_s = measured(0.004), 1000.0
    load.observe(Used(cpu_s), 100, 1, had_uploads=True)
    for _ in range(20):
        cpu_s += 0.81
        load.observe(Used(cpu_s), 100, 1)
    assert 0.81 == pytest.approx(load.load_of(100), rel=0.1)


@given(each=st.floats(0.0001, 0.01), sessions=st.integers(2, 100), idle=st.floats(0.0, 0.05))
def test_the_load_of_those_there_is_what_they_take(each: float, sessions: int, idle: float) -> None:
    """Whatever they are."""
    load = measured(each, sessions, idle=idle)
    told = load.load_of(sessions)
    assert told is not None
    assert idle + each * sessions == pytest.approx(told, rel=0.02, abs=0.002)
