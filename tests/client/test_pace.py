"""How fast audio may be sent."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earful.client.pace import MARGIN, Pace, bytes_per_s

RATE = 32_000


@pytest.mark.parametrize(
    ("encoding", "rate", "channels", "expected"),
    [
        ("pcm_s16le", 16_000, 1, 32_000),
        ("pcm_f32le", 11_025, 2, 88_200),
        ("mulaw", 8_000, 1, 8_000),
        ("alaw", 8_000, 2, 16_000),
        ("opus", 16_000, 1, 32_000),
    ],
)
def test_a_format_has_its_size(encoding: str, rate: int, channels: int, expected: int) -> None:
    """One that there is not is refused by the server, not here."""
    assert expected == bytes_per_s(encoding, rate, channels)


def test_without_a_limit_nothing_waits() -> None:
    """Nor before the server has said what it allows."""
    pace = Pace(RATE)
    assert 0.0 == pace.wait_s(0.0)
    pace.begin(0, 10**9, 5.0, is_new=True)
    assert 0.0 == pace.wait_s(5.0)


@given(st.floats(0.5, 10), st.lists(st.integers(1, 64_000), max_size=50))
def test_a_position_is_never_ahead_of_its_age(max_speed: float, chunks: list[int]) -> None:
    """As long as each chunk waits as long as it is told."""
    pace, now, position = Pace(RATE), 7.0, 0
    pace.begin(max_speed, 0, now, is_new=True)
    for size in chunks:
        now += pace.wait_s(now)
        assert position / RATE <= max_speed * (1 - MARGIN) * (now - 7.0) + 1e-6
        pace.sent(size)
        position += size
    assert position == pace.furthest_bytes


def test_a_replay_catches_up_at_once() -> None:
    """The age is the session's: what was spoken in real time is behind what is allowed."""
    pace = Pace(RATE)
    pace.begin(4, 0, 0.0, is_new=True)
    pace.sent(10 * RATE)
    pace.begin(4, 5 * RATE, 10.0, is_new=False)
    assert (0.0, 10 * RATE) == (pace.wait_s(10.0), pace.furthest_bytes)
    pace.sent(35 * RATE)
    assert pytest.approx(40 / 3.6 - 10.0) == pace.wait_s(10.0)


def test_a_session_that_begins_anew_is_young() -> None:
    """Its server counts from then; one that is only resumed where it is not known when it began, too."""
    pace = Pace(RATE)
    pace.begin(1, RATE, 100.0, is_new=False)
    assert pytest.approx(1 / 0.9) == pace.wait_s(100.0)
    pace.begin(1, RATE, 200.0, is_new=True)
    assert pytest.approx(1 / 0.9) == pace.wait_s(200.0)
