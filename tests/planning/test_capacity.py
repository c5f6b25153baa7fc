"""The capacity file: what was measured, what lies between, and what is no such file."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.capacities import GRID, point

from earful.open_files import MOST_SILENT, most_silent
from earful.planning.capacity import UNLIMITED, Capacity, CapacityError, NothingHeldError, Scaling, flags_for
from earful.settings import Settings


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


def test_beyond_what_was_measured_no_stream_costs_less() -> None:
    """Smaller chunks go on to cost more; larger ones and less speech are taken as the last that were measured."""
    assert 500 > GRID.streams(10, 1.0)
    assert 3000.0 == pytest.approx(GRID.streams(1000, 0.01))
    falling = Capacity(points=[point(100, streams=1800), point(200, streams=300)])
    assert 1800.0 == pytest.approx(falling.streams(20, 1.0))
    assert pytest.approx(0.8 / 1800) == falling.cores_per_stream(20, 1.0)


@given(st.floats(20, 1000), st.floats(0.01, 1.0), st.lists(st.floats(0, 100), min_size=4, max_size=4))
def test_a_worker_keeps_no_more_busy_than_its_core(chunk_ms: float, duty: float, cpu_pct: list[float]) -> None:
    """However the CPU of each goes, and wherever one asks."""
    places = [(50, 1.0, 1400), (100, 1.0, 1800), (50, 0.4, 400), (200, 0.4, 3200)]
    capacity = Capacity(points=[point(*place, cpu_pct=cpu) for place, cpu in zip(places, cpu_pct, strict=True)])
    assert capacity.streams(chunk_ms, duty) * (capacity.cores_per_stream(chunk_ms, duty) or 0) <= 1 + 1e-9


def test_streams_are_fewer_where_their_cpu_says_so() -> None:
    """Each costs more and more CPU as chunks become smaller, and as many would fill more than the core."""
    capacity = Capacity(points=[point(200, streams=300, cpu_pct=10.0), point(100, streams=1800, cpu_pct=90.0)])
    assert 0.0005 + 8 * (0.0005 - 0.1 / 300) == pytest.approx(capacity.cores_per_stream(20, 1.0) or 0)
    assert 545 == round(capacity.streams(20, 1.0))


def test_a_worker_may_keep_several_cores_busy() -> None:
    """If it was seen to: its model has threads, or processes."""
    broad = Capacity(points=[point(streams=20, cpu_pct=380.0)])
    assert [3.8, 20.0] == [broad.cores_per_worker, round(broad.streams(100, 1.0), 6)]
    assert [1.0, 1.0] == [it.cores_per_worker for it in (GRID, Capacity(points=[point(cpu_pct=None)]))]
    assert 1000.0 == pytest.approx(Capacity(points=[point(cpu_pct=0.0)]).streams(100, 1.0))


def test_what_was_not_measured_is_told() -> None:
    """Each of them, with what was."""
    assert [] == GRID.beyond(100, 0.7, 1)
    assert ["chunk 300 ms (measured: 20 to 200 ms at duty 0.4)", "duty 0.1 (measured: 0.4 to 1)"] == GRID.beyond(
        300, 0.1, 1
    )
    one = Capacity(points=[point()], scaling=[Scaling(2, 1.0)])
    assert [
        "chunk 20 ms (measured: 100 ms at duty 1)",
        "workers 3 (measured: 1 to 2)",
    ] == one.beyond(20, 1.0, 3)


def test_what_is_reckoned_by_no_point_is_not_beyond_it() -> None:
    """A measurement that was ended early has fewer chunks at one duty than at another."""
    short = Capacity(points=[point(chunk_ms=20), point(chunk_ms=100), point(chunk_ms=20, duty=0.4)])
    assert [] == short.beyond(100, 1.0, 1)
    assert ["chunk 100 ms (measured: 20 ms at duty 0.4)"] == short.beyond(100, 0.7, 1)


def test_one_point_is_all_there_is() -> None:
    """Wherever one asks."""
    capacity = Capacity(points=[point()])
    assert [1000.0] * 3 == [round(capacity.streams(*at), 6) for at in ((20, 1.0), (100, 0.4), (200, 1.0))]


NONE_AT_20 = Capacity(points=[point(20, streams=0, cpu_pct=None), point(100), point(200, streams=1200)])


@pytest.mark.parametrize("chunk_ms", [10, 20, 20.5, 99])
def test_what_lies_at_a_point_that_held_nothing_is_not_made_up(chunk_ms: float) -> None:
    """Nor what lies between it and another: what was measured is that none hold."""
    for ask in (NONE_AT_20.streams, NONE_AT_20.cores_per_stream, NONE_AT_20.answers_per_stream, NONE_AT_20.p99_ms):
        with pytest.raises(NothingHeldError, match="with 20 ms chunks at duty 1 a worker held no streams at a p99 of"):
            ask(chunk_ms, 1.0)


def test_what_lies_elsewhere_does_not_come_of_it() -> None:
    """Also by duty."""
    assert [1000.0, 1200.0] == [round(NONE_AT_20.streams(chunk_ms, 1.0), 6) for chunk_ms in (100, 1000)]
    capacity = Capacity(points=[point(100, 1.0, 0), point(100, 0.4, 2000), point(20, 0.4, 800)])
    assert [2000.0, 800.0] == [round(capacity.streams(*at), 6) for at in ((100, 0.4), (20, 0.1))]
    with pytest.raises(NothingHeldError, match=r"duty 1 a worker .* and 20 ms at duty 0\.7 would be reckoned by that$"):
        capacity.streams(20, 0.7)


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
        none.streams(20, 1.0)


def test_the_p99_is_what_the_streams_were_held_to() -> None:
    """Between points the larger one."""
    capacity = Capacity(points=[point(20, p99_ms=202.0), point(100, p99_ms=103.0), point(200, p99_ms=104.0)])
    assert [202.0, 202.0, 103.0, 104.0, 104.0] == [capacity.p99_ms(at, 1.0) for at in (20, 50, 100, 150, 1000)]


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
    assert [[refused], [late, refused], [late], []] == [capacity.at_least(at, 1.0) for at in (20, 50, 100, 200)]


def test_a_file_from_before_a_refusal_was_noted_is_read() -> None:
    """As one without."""
    old = msgspec.to_builtins(GRID)
    for one in old["points"]:
        del one["is_refusal_bound"]
    assert GRID == Capacity.parse(msgspec.json.encode(old))


def test_what_a_stream_uses_is_known_where_somebody_looked() -> None:
    """CPU of a core, answers, and the most memory of all points."""
    assert (0.0008, 6.0) == tuple(
        round(value or 0, 6) for value in (GRID.cores_per_stream(100, 1.0), GRID.answers_per_stream(100, 1.0))
    )
    assert (60.0, 32.0) == (GRID.base_mb, GRID.kb_per_session)
    blind = Capacity(points=[point(cpu_pct=None, base_mb=None, kb_per_session=None)])
    assert (None, None, None) == (blind.cores_per_stream(100, 1.0), blind.base_mb, blind.kb_per_session)


def test_memory_is_what_a_worker_was_seen_to_have() -> None:
    """With the streams it held, and at worst; the base and the session's are known from elsewhere."""
    assert (None, 60.0) == (GRID.held_mb(100, 1.0), GRID.worst_mb)
    seen = Capacity(points=[point(100, held_mb=90.0), point(200, held_mb=120.0, worst_mb=480.0, base_mb=110.0)])
    assert [90.0, 105.0, 120.0] == [seen.held_mb(chunk_ms, 1.0) for chunk_ms in (100, 400 / 3, 200)]
    assert (60.0, 480.0) == (seen.base_mb, seen.worst_mb)
    assert None is Capacity(points=[point(base_mb=None)]).worst_mb


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
        (b'{"points": {}, "format": 2}', "format 2"),
        (Capacity(points=[point(), point(20), point(streams=900)]).text().encode(), "2 points in it have 100 ms"),
        *(
            (Capacity(points=[point()], scaling=scaling).text().encode(), reason)
            for scaling, reason in (
                ([Scaling(1, 1.0)], r">= 2 - at `\$\.scaling\[0\]\.workers"),
                ([Scaling(8, 0.9), Scaling(2, 1.0)], "ascending"),
                ([Scaling(2, 0.9), Scaling(2, 0.8)], "ascending"),
                ([Scaling(2, 0.0)], r"at `\$\.scaling\[0\]\.share"),
                ([Scaling(2, 1e-9)], r"at `\$\.scaling\[0\]\.share"),
                ([Scaling(2, -1.0)], r"at `\$\.scaling\[0\]\.share"),
            )
        ),
    ],
)
def test_what_is_no_such_file_is_said(text: bytes, reason: str) -> None:
    """In one sentence."""
    with pytest.raises(CapacityError, match=reason):
        Capacity.parse(text)


@pytest.mark.parametrize(
    "wrong",
    [
        {"chunk_ms": 0},
        {"chunk_ms": -100},
        {"duty": 0.0},
        {"duty": 1.5},
        {"streams": -5},
        {"streams": 10**9},
        {"answers_per_s": -5.0},
        {"cpu_pct": -1.0},
        {"kb_per_session": -100.0},
        {"held_mb": 1e300},
    ],
)
def test_a_figure_that_cannot_be_is_named(wrong: dict[str, float]) -> None:
    """With where it stands."""
    text = msgspec.json.encode({"points": [{**msgspec.to_builtins(point()), **wrong}]})
    with pytest.raises(CapacityError, match=rf"\$\.points\[0\]\.{next(iter(wrong))}"):
        Capacity.parse(text)


def test_a_number_too_large_for_any_figure_is_one_sentence() -> None:
    """As whoever writes a file by hand may."""
    text = GRID.text().replace('"streams": 500', '"streams": 1' + "0" * 30)
    with pytest.raises(CapacityError, match="no capacity file"):
        Capacity.parse(text.encode())


def test_what_is_measured_without_limits_leaves_files_for_everybody_else() -> None:
    """Of 20,000 that a worker may open silent connections have as many as they have anywhere."""
    most = int(UNLIMITED.split()[1])
    assert UNLIMITED == flags_for(most)
    assert MOST_SILENT == most_silent(Settings(max_sessions=most), 20_000)
