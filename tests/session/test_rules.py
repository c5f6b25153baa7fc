"""What rules mean in frames and bytes."""

from __future__ import annotations

import pytest

from earful.session.rules import ListeningRules


def test_the_figures_of_the_default_rules() -> None:
    """20 ms frames of 16 kHz mono s16le."""
    rules = ListeningRules()
    assert (640, 5, 30, 500) == (
        rules.frame_bytes,
        rules.unbelieved_frames,
        rules.endpoint_frames,
        rules.silent_frames,
    )
    assert (0b11111, 6_400, 6_400) == (rules.onset_mask, rules.pre_roll_bytes, rules.hangover_bytes)
    assert (9_600, 960_000) == (rules.quiet_bytes, rules.max_bytes)


@pytest.mark.parametrize(("duration_ms", "frames"), [(0, 0), (1, 1), (30, 1), (31, 2), (100, 4), (600, 20)])
def test_frames_last_at_least_as_long(duration_ms: float, frames: int) -> None:
    """Rounded up to whole frames, here of 30 ms."""
    assert frames == ListeningRules(frame_ms=30).frames(duration_ms)
