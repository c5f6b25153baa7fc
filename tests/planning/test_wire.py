"""Sizes on the wire, and what a Redis is asked."""

from __future__ import annotations

import pytest

from earful.planning import wire


def test_a_chunk_is_its_audio_and_what_stands_around_it() -> None:
    """100 ms are 3200 bytes of PCM: 4268 in base64, three packets."""
    assert 4268 + 56 + 8 + 3 * 52 == wire.chunk_bytes(100, is_binary=False)
    assert 3200 + 8 + 3 * 52 == wire.chunk_bytes(100, is_binary=True)
    assert 242 == wire.answer_bytes()


def test_a_redis_is_told_what_was_measured() -> None:
    """500 streams that came together and stay: 18 things a second at one worker, which is next to nothing."""
    things = wire.redis_things_per_s(1, 500, 0.0)
    assert pytest.approx(17.7, abs=0.1) == things
    assert pytest.approx(0.42e-3, rel=0.02) == wire.redis_cpu_share(things)
    assert pytest.approx(12_100, rel=0.02) == wire.redis_bytes_per_s(things)
    assert things + 3 == wire.redis_things_per_s(2, 500, 2.0)
