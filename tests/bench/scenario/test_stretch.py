"""Which intervals a phase has, and what is said of them."""

from __future__ import annotations

import pytest
from tests.support.stretches import stretch


@pytest.mark.parametrize(
    ("p99_ms", "owed", "worst_ms"), [(52.0, 100, 52.0), (None, 100, float("inf")), (None, 0, None)]
)
def test_who_is_never_answered_waits_for_ever(p99_ms: float | None, owed: int, worst_ms: float | None) -> None:
    """Who did not speak does not."""
    assert worst_ms == stretch(p99_ms=p99_ms, owed=owed).worst_ms
