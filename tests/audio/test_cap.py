"""The cap on decoded audio: inclusive, on seconds and on bytes, over all pieces."""

from __future__ import annotations

import pytest

from earful.audio.cap import Cap
from earful.errors import EarfulError, ErrorCode


def test_both_limits_are_inclusive() -> None:
    """Exactly as much as allowed is allowed."""
    cap = Cap(max_s=2.0, max_bytes=8)
    cap.count(4, 4, 4)
    cap.count(4, 4, 4)
    assert not cap.is_untouched


@pytest.mark.parametrize(("frames", "size_bytes", "why"), [(5, 4, "longer than the 2 s"), (4, 5, "than the 8 bytes")])
def test_the_piece_that_goes_over_is_refused(frames: int, size_bytes: int, why: str) -> None:
    """The sentence names the limit."""
    cap = Cap(max_s=2.0, max_bytes=8)
    cap.count(4, 4, 4)
    with pytest.raises(EarfulError, match=why) as caught:
        cap.count(frames, 4, size_bytes)
    assert ErrorCode.TOO_LARGE is caught.value.code


def test_many_small_pieces_add_up_without_drift() -> None:
    """Two seconds in a thousand pieces, none of which a float can hold exactly, are two seconds."""
    cap = Cap(max_s=2.0, max_bytes=2_000)
    for _ in range(1_000):
        cap.count(2, 1_000, 2)
    with pytest.raises(EarfulError):
        cap.count(1, 1_000, 0)


def test_what_says_that_it_is_too_long_is_believed() -> None:
    """Only that: whatever is said, nothing has been counted."""
    cap = Cap(max_s=2.0, max_bytes=8)
    cap.foresee(2.0)
    assert cap.is_untouched
    with pytest.raises(EarfulError, match="longer than the 2 s"):
        cap.foresee(2.1)


def test_nothing_counted_is_untouched() -> None:
    """So a file without a sample can be told."""
    assert Cap(1.0, 1).is_untouched
