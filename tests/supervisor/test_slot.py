"""A slot: who moves up."""

from __future__ import annotations

import itertools
import socket
from typing import TYPE_CHECKING

import pytest

from earful.supervisor.line import Line
from earful.supervisor.process import Process
from earful.supervisor.slot import Slot

if TYPE_CHECKING:
    from collections.abc import Iterator


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
