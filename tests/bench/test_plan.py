"""The plan: which chunks are measured."""

from __future__ import annotations

import pytest

from earful.bench.plan import Plan


@pytest.mark.parametrize(
    ("chunk_ms", "warmup_s", "seconds", "window"),
    [
        (100, 3.0, 10.0, range(30, 130)),
        (20, 0.0, 1.0, range(50)),
        (1000, 2.5, 2.0, range(3, 5)),
        (1000, 0.0, 0.1, range(1)),
        (300, 1.0, 1.0, range(4, 7)),
    ],
)
def test_the_window_follows_the_warm_up(chunk_ms: int, warmup_s: float, seconds: float, window: range) -> None:
    """The warm-up is never shorter than asked for, and one chunk at least is measured."""
    assert window == Plan(chunk_ms=chunk_ms, warmup_s=warmup_s, seconds=seconds).window
