"""The capacity file: what was measured, what lies between, and what is no such file."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.capacities import GRID, point

from earful.planning.capacity import Capacity, CapacityError, Scaling


def test_a_measured_point_is_what_was_measured() -> None:
    """Each of them."""
    held = {(it.chunk_ms, it.duty): round(GRID.streams(it.chunk_ms, it.duty), 6) for it in GRID.points}
    assert {(it.chunk_ms, it.duty): it.streams for it in GRID.points} == held


@given(st.floats(20, 200), st.floats(0.4, 1.0))
def test_between_points_it_is_between_them(chunk_ms: float, duty: float) -> None:
    """Smaller chunks and more speech cost more, never less."""
    streams = GRID.streams(chunk_ms, duty)
    assert 500 - 1e-6 <= streams <= 3000 + 1e-6
    assert GRID.streams(max(20, chunk_ms / 2), duty) <= streams + 1e-6
    assert GRID.streams(chunk_ms, min(1.0, duty * 1.5)) <= streams + 1e-6


def test_a_streams_share_is_what_is_interpolated() -> None:
    """Half way between 50 and 10 chunks a second it is the mean of the two shares, not of the streams."""
    assert pytest.approx(2 / (1 / 500 + 1 / 1000)) == GRID.streams(1000 / 30, 1.0)


def test_beyond_what_was_measured_it_goes_on_but_not_to_nothing() -> None:
    """A quarter of the cheapest is the least."""
    assert 500 > GRID.streams(10, 1.0)
    assert pytest.approx(12_000) == GRID.streams(1000, 0.01)


def test_one_point_is_all_there_is() -> None:
    """Wherever one asks; points that held nothing are not there."""
    capacity = Capacity(points=[point(), point(20, streams=0)])
    assert [1000.0] * 3 == [round(capacity.streams(*at), 6) for at in ((20, 1.0), (100, 0.4), (200, 1.0))]


def test_what_a_stream_uses_is_known_where_somebody_looked() -> None:
    """CPU of a core, answers, and the most memory of all points."""
    assert (0.0008, 6.0) == tuple(
        round(value or 0, 6) for value in (GRID.cores_per_stream(100, 1.0), GRID.answers_per_stream(100, 1.0))
    )
    assert (60.0, 32.0) == (GRID.base_mb, GRID.kb_per_session)
    blind = Capacity(points=[point(cpu_pct=None, base_mb=None, kb_per_session=None)])
    assert (None, None, None) == (blind.cores_per_stream(100, 1.0), blind.base_mb, blind.kb_per_session)


def test_many_workers_may_hold_less_each() -> None:
    """As was measured, between that, and beyond the last as at the last."""
    capacity = Capacity(points=[point()], scaling=[Scaling(2, 0.98), Scaling(8, 0.92)])
    assert [1.0, 0.98, 0.95, 0.92, 0.92] == [round(capacity.share(workers), 3) for workers in (1, 2, 5, 8, 1000)]
    assert [1.0, 1.0] == [GRID.share(workers) for workers in (1, 1000)]


def test_a_file_comes_back_as_it_went() -> None:
    """And ends with a newline."""
    assert GRID == Capacity.parse(GRID.text().encode())
    assert GRID.text().endswith("}\n")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"no JSON", "no capacity file"),
        (b"{}", "no capacity file"),
        (b'{"points": [], "format": 2}', "format 2"),
        (b'{"points": []}', "held any streams"),
        (Capacity(points=[point(streams=0)]).text().encode(), "held any streams"),
    ],
)
def test_what_is_no_such_file_is_said(text: bytes, reason: str) -> None:
    """In one sentence."""
    with pytest.raises(CapacityError, match=reason):
        Capacity.parse(text)
