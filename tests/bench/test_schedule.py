"""The schedule: absolute, and even."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earful.bench.schedule import Schedule

STREAMS = st.integers(1, 3000)
CHUNK_MS = st.integers(20, 1000)


@given(streams=STREAMS, chunk_ms=CHUNK_MS)
def test_slots_are_a_millisecond_or_more_apart_and_equally_full(streams: int, chunk_ms: int) -> None:
    """No slot is empty, and none has two streams more than another."""
    schedule = Schedule(streams, chunk_ms)
    full = Counter(schedule.slot(stream) for stream in range(streams))
    assert set(range(schedule.slots)) == set(full)
    assert 1 >= max(full.values()) - min(full.values())
    assert pytest.approx(chunk_ms / 1000 / schedule.slots) == schedule.due_s(0, 1)
    assert chunk_ms >= schedule.slots


@given(streams=STREAMS, chunk_ms=CHUNK_MS, chunk=st.integers(0, 10**6), data=st.data())
def test_a_due_time_follows_from_the_numbers_alone(
    streams: int, chunk_ms: int, chunk: int, data: st.DataObject
) -> None:
    """Chunk by chunk one interval later, without a sum of small errors."""
    schedule = Schedule(streams, chunk_ms)
    slot = data.draw(st.integers(0, schedule.slots - 1))
    first = schedule.due_s(0, slot)
    assert pytest.approx(chunk * chunk_ms / 1000, abs=1e-6) == schedule.due_s(chunk, slot) - first
    assert 0 <= first < chunk_ms / 1000
