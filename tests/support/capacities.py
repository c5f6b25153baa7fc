"""Capacity files as a test wants them."""

from __future__ import annotations

from typing import Any

from earful.planning.capacity import Capacity
from earful.planning.point import Point


def point(chunk_ms: int = 100, duty: float = 1.0, streams: int = 1000, **given: Any) -> Point:
    """One that was measured with the server's process in view, but for what is given."""
    seen: dict[str, Any] = {"cpu_pct": 80.0, "base_mb": 60.0, "kb_per_session": 32.0, "answers_per_s": 6.0 * streams}
    held: dict[str, Any] = {"p99_ms": 102.0, "unloaded_p99_ms": 52.0}
    return Point(chunk_ms=chunk_ms, duty=duty, streams=streams, **{**seen, **held, **given})


GRID = Capacity(
    points=[
        point(20, 1.0, 500),
        point(100, 1.0, 1000),
        point(200, 1.0, 1200),
        point(20, 0.4, 800),
        point(100, 0.4, 2000),
        point(200, 0.4, 3000),
    ],
    cpu="A processor",
    cpu_count=2,
    versions={"earful": "1", "uvloop": None},
    seconds=10.0,
)
