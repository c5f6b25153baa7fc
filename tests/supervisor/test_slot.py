"""A slot: who moves up, and how soon a dead worker is followed."""

from __future__ import annotations

import itertools
import socket
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earful.supervisor.line import Line
from earful.supervisor.process import Process
from earful.supervisor.slot import AT_ONCE, LONGEST_DELAY_S, QUICK_S, Backoff, Slot

if TYPE_CHECKING:
    from collections.abc import Iterator

QUICK, SLOW = QUICK_S / 2, QUICK_S * 2


def test_quick_deaths_are_followed_later_and_later() -> None:
    """Five at once, then after twice as long each time, up to a bound."""
    backoff = Backoff()
    delays_s = [backoff.delay_s(QUICK, was_ready=True) for _ in range(AT_ONCE + 8)]
    assert [0.0] * AT_ONCE + [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, LONGEST_DELAY_S, LONGEST_DELAY_S] == delays_s


def test_a_long_life_makes_good_for_all() -> None:
    """The row of quick deaths begins anew."""
    backoff = Backoff(quick_deaths=AT_ONCE + 3)
    assert 0.0 == backoff.delay_s(SLOW, was_ready=True)
    assert [0.0] * AT_ONCE == [backoff.delay_s(QUICK, was_ready=True) for _ in range(AT_ONCE)]


def test_one_killed_every_three_seconds_is_always_followed_at_once() -> None:
    """That is trouble from outside."""
    backoff = Backoff()
    assert {0.0} == {backoff.delay_s(3.0, was_ready=True) for _ in range(100)}


def test_who_was_never_ready_died_quickly() -> None:
    """However long its model loaded before it failed."""
    backoff = Backoff()
    assert 0.1 == [backoff.delay_s(60.0, was_ready=False) for _ in range(AT_ONCE + 1)][-1]


@given(st.lists(st.tuples(st.floats(0, 1e6), st.booleans())))
def test_no_row_of_deaths_makes_a_delay_too_long(deaths: list[tuple[float, bool]]) -> None:
    """Nor one below nothing."""
    backoff = Backoff()
    assert all(0 <= backoff.delay_s(lived_s, was_ready=ready) <= LONGEST_DELAY_S for lived_s, ready in deaths)


def test_a_very_long_row_is_no_large_number() -> None:
    """Two to its power would be."""
    assert LONGEST_DELAY_S == Backoff(quick_deaths=100_000).delay_s(0, was_ready=False)


@pytest.fixture
def slot() -> Iterator[Slot]:
    """An empty one."""
    with socket.socket() as listener:
        yield Slot(0, [listener])


@pytest.fixture
def processes(slot: Slot) -> Iterator[list[Process]]:
    """Two that might serve it; they are no real ones."""
    lines = [line for _ in range(2) for line in Line.pair()]
    yield [Process(pid, slot, line, 0.0) for pid, line in zip(itertools.count(1), lines[::2], strict=False)]
    for line in lines:
        line.close()


def occupants(slot: Slot) -> tuple[Process | None, Process | None]:
    """Who serves it, and who is about to."""
    return slot.process, slot.successor


def test_an_empty_slot_stays_empty(slot: Slot, processes: list[Process]) -> None:
    """Where its only one ends; an older one's end changes nothing."""
    slot.process = processes[0]
    slot.lose(processes[1])
    assert processes[0] is slot.process
    slot.lose(processes[0])
    assert (None, None) == occupants(slot)


def test_a_successor_moves_up(slot: Slot, processes: list[Process]) -> None:
    """Where the one before it ends early."""
    slot.process, slot.successor = processes
    slot.lose(processes[0])
    assert (processes[1], None) == occupants(slot)


def test_a_successor_that_ends_is_forgotten(slot: Slot, processes: list[Process]) -> None:
    """The one that serves goes on."""
    slot.process, slot.successor = processes
    slot.lose(processes[1])
    assert (processes[0], None) == occupants(slot)
