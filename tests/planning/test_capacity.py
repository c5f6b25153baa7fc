"""The capacity file: what was measured, what lies beyond, and what is no such file."""

from __future__ import annotations

import msgspec
import pytest
from tests.support.capacities import GRID, point

from earful.open_files import MOST_SILENT, most_silent
from earful.planning.capacity import UNLIMITED, Capacity, CapacityError, Scaling, flags_for
from earful.settings import Settings


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


def test_a_file_from_before_a_refusal_was_noted_is_read() -> None:
    """As one without."""
    old = msgspec.to_builtins(GRID)
    for one in old["points"]:
        del one["is_refusal_bound"]
    assert GRID == Capacity.parse(msgspec.json.encode(old))


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
