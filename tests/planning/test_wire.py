"""Sizes on the wire, and what a Redis is asked."""

from __future__ import annotations

import pytest

from earful.app import NOTED_LONGER_S
from earful.planning import wire
from earful.settings import Settings


def test_a_chunk_is_its_audio_and_what_stands_around_it() -> None:
    """100 ms are 3200 bytes of PCM: 4268 in base64, three packets."""
    assert 4268 + 56 + 8 + 3 * 52 == wire.chunk_bytes(100, is_binary=False)
    assert 3200 + 8 + 3 * 52 == wire.chunk_bytes(100, is_binary=True)
    assert 242 == wire.answer_bytes()


@pytest.mark.parametrize(
    ("chunk_ms", "is_binary", "acks"), [(20, False, 1), (100, False, 2), (100, True, 2), (200, False, 3)]
)
def test_every_second_packet_is_acknowledged(chunk_ms: int, is_binary: bool, acks: int) -> None:  # noqa: FBT001 - a parameter of the test
    """And the last of a message; each by a packet with nothing in it."""
    assert acks * 52 == wire.chunk_ack_bytes(chunk_ms, is_binary=is_binary)
    assert 52 == wire.answer_ack_bytes()


def test_a_redis_is_told_what_was_measured() -> None:
    """500 streams that came together and stay: 18 things a second at one worker, which is next to nothing."""
    things = wire.redis_things_per_s(1, 500, 0.0)
    assert 18 == things
    assert pytest.approx(0.42e-3, rel=0.02) == wire.redis_cpu_share(things)
    assert pytest.approx(12_100, rel=0.02) == wire.redis_bytes_per_s(things)
    assert 22 == wire.redis_things_per_s(2, 500, 2.0)


def test_workers_of_few_sessions_tell_of_one_each_second() -> None:
    """As `Presence` does: a second is the least in which a worker tells anything."""
    assert (40, 40) == (wire.redis_things_per_s(20, 20, 0.0), wire.redis_things_per_s(20, 600, 0.0))


@pytest.mark.parametrize(
    ("cpu_share", "headroom", "nodes"),
    [(0.0, 0.3, 1), (0.7, 0.3, 1), (0.71, 0.3, 2), (8.977, 0.3, 13), (8.977, 0.0, 9)],
)
def test_one_redis_has_one_core(cpu_share: float, headroom: float, nodes: int) -> None:
    """And some of it is to be left."""
    assert nodes == wire.redis_nodes(cpu_share, headroom)


def test_a_redis_remembers_sessions_that_ended() -> None:
    """As long as they might be resumed, and some minutes; those that are there take a note and a place in the list."""
    assert Settings.model_fields["resume_window_s"].default + NOTED_LONGER_S == wire.NOTED_S
    assert 1000 * (860 + 275) + 3 * 420 * 275 == wire.redis_memory_bytes(1000, 3.0)
