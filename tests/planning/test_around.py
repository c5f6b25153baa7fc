"""What lies at and between the points of a capacity file, and what is not made up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.capacities import GRID, point

from earful.planning.around import NothingHeldError
from earful.planning.capacity import Capacity


def test_a_measured_point_is_what_was_measured() -> None:
    """Each of them."""
    held = {(it.chunk_ms, it.duty): round(GRID.around(it.chunk_ms, it.duty).streams, 6) for it in GRID.points}
    assert {(it.chunk_ms, it.duty): it.streams for it in GRID.points} == held


@given(st.floats(20, 200), st.floats(0.4, 1.0))
def test_between_points_it_is_between_them(chunk_ms: float, duty: float) -> None:
    """Smaller chunks and more speech cost more, never less."""
    streams = GRID.around(chunk_ms, duty).streams
    assert 500 - 1e-6 <= streams <= 3000 + 1e-6
    assert GRID.around(max(20, chunk_ms / 2), duty).streams <= streams + 1e-6
    assert GRID.around(chunk_ms, min(1.0, duty * 1.5)).streams <= streams + 1e-6


def test_a_streams_share_is_what_is_interpolated() -> None:
    """Half way between 50 and 10 chunks a second it is the mean of the two shares, not of the streams."""
    assert pytest.approx(2 / (1 / 500 + 1 / 1000)) == GRID.around(1000 / 30, 1.0).streams


def test_beyond_what_was_measured_no_stream_costs_less() -> None:
    """Smaller chunks go on to cost more; larger ones and less speech are taken as the last that were measured."""
    assert 500 > GRID.around(10, 1.0).streams
    assert 3000.0 == pytest.approx(GRID.around(1000, 0.01).streams)
    falling = Capacity(points=[point(100, streams=1800), point(200, streams=300)])
    assert 1800.0 == pytest.approx(falling.around(20, 1.0).streams)
    assert pytest.approx(0.8 / 1800) == falling.around(20, 1.0).cores_per_stream


@given(st.floats(20, 1000), st.floats(0.01, 1.0), st.lists(st.floats(0, 100), min_size=4, max_size=4))
def test_a_worker_keeps_no_more_busy_than_its_core(chunk_ms: float, duty: float, cpu_pct: list[float]) -> None:
    """However the CPU of each goes, and wherever one asks."""
    places = [(50, 1.0, 1400), (100, 1.0, 1800), (50, 0.4, 400), (200, 0.4, 3200)]
    capacity = Capacity(points=[point(*place, cpu_pct=cpu) for place, cpu in zip(places, cpu_pct, strict=True)])
    here = capacity.around(chunk_ms, duty)
    assert here.streams * (here.cores_per_stream or 0) <= 1 + 1e-9


def test_streams_are_fewer_where_their_cpu_says_so() -> None:
    """Each costs more and more CPU as chunks become smaller, and as many would fill more than the core."""
    capacity = Capacity(points=[point(200, streams=300, cpu_pct=10.0), point(100, streams=1800, cpu_pct=90.0)])
    assert 0.0005 + 8 * (0.0005 - 0.1 / 300) == pytest.approx(capacity.around(20, 1.0).cores_per_stream or 0)
    assert 545 == round(capacity.around(20, 1.0).streams)


def test_a_worker_may_keep_several_cores_busy() -> None:
    """If it was seen to: its model has threads, or processes."""
    broad = Capacity(points=[point(streams=20, cpu_pct=380.0)])
    assert [3.8, 20.0] == [broad.cores_per_worker, round(broad.around(100, 1.0).streams, 6)]
    assert [1.0, 1.0] == [it.cores_per_worker for it in (GRID, Capacity(points=[point(cpu_pct=None)]))]
    assert 1000.0 == pytest.approx(Capacity(points=[point(cpu_pct=0.0)]).around(100, 1.0).streams)


def test_one_point_is_all_there_is() -> None:
    """Wherever one asks."""
    capacity = Capacity(points=[point()])
    assert [1000.0] * 3 == [round(capacity.around(*at).streams, 6) for at in ((20, 1.0), (100, 0.4), (200, 1.0))]


NONE_AT_20 = Capacity(points=[point(20, streams=0, cpu_pct=None), point(100), point(200, streams=1200)])


@pytest.mark.parametrize("chunk_ms", [10, 20, 20.5, 99])
def test_what_lies_at_a_point_that_held_nothing_is_not_made_up(chunk_ms: float) -> None:
    """Nor what lies between it and another: what was measured is that none hold."""
    with pytest.raises(NothingHeldError, match="with 20 ms chunks at duty 1 a worker held no streams at a p99 of"):
        NONE_AT_20.around(chunk_ms, 1.0)


def test_what_lies_elsewhere_does_not_come_of_it() -> None:
    """Also by duty."""
    assert [1000.0, 1200.0] == [round(NONE_AT_20.around(chunk_ms, 1.0).streams, 6) for chunk_ms in (100, 1000)]
    capacity = Capacity(points=[point(100, 1.0, 0), point(100, 0.4, 2000), point(20, 0.4, 800)])
    assert [2000.0, 800.0] == [round(capacity.around(*at).streams, 6) for at in ((100, 0.4), (20, 0.1))]
    with pytest.raises(NothingHeldError, match=r"duty 1 a worker .* and 20 ms at duty 0\.7 would be reckoned by that$"):
        capacity.around(20, 0.7)


@pytest.mark.parametrize(
    ("bound", "said"),
    [
        ({"is_refusal_bound": True}, "a worker refused all streams"),
        ({"is_generator_bound": True}, "the load's own process was late with any number of streams, and what"),
    ],
)
def test_a_point_at_which_no_worker_was_too_slow_says_that(bound: dict[str, bool], said: str) -> None:
    """Who refused, or was late."""
    none = Capacity(points=[point(20, streams=0, **bound), point()])
    with pytest.raises(NothingHeldError, match=rf"^with 20 ms chunks at duty 1 {said}"):
        none.around(20, 1.0)


def test_the_p99_is_what_the_streams_were_held_to() -> None:
    """Between points the larger one."""
    capacity = Capacity(points=[point(20, p99_ms=202.0), point(100, p99_ms=103.0), point(200, p99_ms=104.0)])
    assert [202.0, 202.0, 103.0, 104.0, 104.0] == [capacity.around(at, 1.0).p99_ms for at in (20, 50, 100, 150, 1000)]


def test_a_point_that_may_hold_more_is_told_where_it_is_used() -> None:
    """With why."""
    points = [
        point(20, streams=25, is_refusal_bound=True),
        point(100, streams=1100, is_generator_bound=True),
        point(200),
    ]
    capacity = Capacity(points=points)
    refused = "20 ms, duty 1: by its own limits the server refused more than 25 streams before it was slow"
    late = "100 ms, duty 1: the load's own process was late with more than 1,100 streams"
    assert [[refused], [late, refused], [late], []] == [capacity.around(at, 1.0).at_least for at in (20, 50, 100, 200)]


def test_what_a_stream_uses_is_known_where_somebody_looked() -> None:
    """CPU of a core, answers, and the most memory of all points."""
    here = GRID.around(100, 1.0)
    assert (0.0008, 6.0) == (round(here.cores_per_stream or 0, 6), round(here.answers_per_stream, 6))
    assert (60.0, 32.0) == (GRID.base_mb, GRID.kb_per_session)
    blind = Capacity(points=[point(cpu_pct=None, base_mb=None, kb_per_session=None)])
    assert (None, None, None) == (blind.around(100, 1.0).cores_per_stream, blind.base_mb, blind.kb_per_session)


def test_memory_is_what_a_worker_was_seen_to_have() -> None:
    """With the streams it held, and at worst; the base and the session's are known from elsewhere."""
    assert (None, 60.0) == (GRID.around(100, 1.0).held_mb, GRID.worst_mb)
    seen = Capacity(points=[point(100, held_mb=90.0), point(200, held_mb=120.0, worst_mb=480.0, base_mb=110.0)])
    assert [90.0, 105.0, 120.0] == [seen.around(chunk_ms, 1.0).held_mb for chunk_ms in (100, 400 / 3, 200)]
    assert (60.0, 480.0) == (seen.base_mb, seen.worst_mb)
    assert None is Capacity(points=[point(base_mb=None)]).worst_mb
