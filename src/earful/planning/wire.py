"""What sessions put on the wire and ask of a Redis, by the sizes of messages. Pure; used by `estimate`."""

from __future__ import annotations

import math

_PCM_BYTES_PER_S = 32_000
_MESSAGE_BYTES = 56
"""`{"type":"audio_chunk","data":"","sequence":123456}` and what may stand around it."""
_FRAME_BYTES = 8
_ANSWER_BYTES = 190
"""A partial of a few words with its fields, in its frame."""
_SEGMENT_BYTES = 1448
_PACKET_BYTES = 52
"""The heads of IP and TCP, with timestamps."""

_TOLD_EVERY_S = 30.0
_REDIS_CPU_S = 0.45e-3 / 19
_REDIS_BYTES = 13_000 / 19
"""Of one thing told: docs/decisions/0010-the-directory.md has what was measured."""


def chunk_bytes(chunk_ms: float, *, is_binary: bool) -> float:
    """One chunk of 16 kHz mono s16le on the wire."""
    pcm_bytes = _PCM_BYTES_PER_S * chunk_ms / 1000
    message_bytes = pcm_bytes if is_binary else 4 * math.ceil(pcm_bytes / 3) + _MESSAGE_BYTES
    return _with_packets(message_bytes + _FRAME_BYTES)


def answer_bytes() -> float:
    """One partial or final on the wire."""
    return _with_packets(_ANSWER_BYTES)


def redis_things_per_s(workers: int, sessions: float, starts_per_s: float) -> float:
    """What workers tell their store: an exchange a second each, a session every 30 s, and each start."""
    return workers + sessions / _TOLD_EVERY_S + starts_per_s


def redis_cpu_share(things_per_s: float) -> float:
    """The part of a core that a Redis needs for them."""
    return things_per_s * _REDIS_CPU_S


def redis_bytes_per_s(things_per_s: float) -> float:
    """What goes to it and comes from it."""
    return things_per_s * _REDIS_BYTES


def _with_packets(size_bytes: float) -> float:
    return size_bytes + math.ceil(size_bytes / _SEGMENT_BYTES) * _PACKET_BYTES
