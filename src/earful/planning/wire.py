"""What sessions put on the wire and ask of a Redis, by the sizes of messages. Pure; used by `estimate`.

Counts what IP carries: messages, the heads of TCP and IP, and what acknowledges them. What a link puts around a packet
(Ethernet 38 bytes), TLS, pings and handshakes are not in it.
"""

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
"""The heads of IP and TCP, with timestamps; all that there is of one that only acknowledges."""
_PACKETS_AN_ACK = 2
"""TCP acknowledges every second packet at least, and the last one soon (RFC 5681, 4.2); a network card that hands over
several at once makes it fewer. On an answer it rides along seldom: Linux waits 40 ms for one, a model takes longer."""

_TOLD_EVERY_S = 30.0
_REDIS_CPU_S = 0.45e-3 / 19
_REDIS_BYTES = 13_000 / 19
"""Of one thing told: docs/decisions/0010-the-directory.md has what was measured."""
_NOTE_BYTES = 275
_LISTED_BYTES = 860
"""Of Redis' memory, from there, too."""
NOTED_S = 420.0
"""How long a session's note outlives it, with `resume_window_s` as it is by default."""


def chunk_bytes(chunk_ms: float, *, is_binary: bool) -> float:
    """One chunk of 16 kHz mono s16le on the wire."""
    return _with_packets(_chunk_bytes(chunk_ms, is_binary=is_binary))


def chunk_ack_bytes(chunk_ms: float, *, is_binary: bool) -> float:
    """What says that a chunk came, the other way."""
    return math.ceil(_packets(_chunk_bytes(chunk_ms, is_binary=is_binary)) / _PACKETS_AN_ACK) * _PACKET_BYTES


def answer_bytes() -> float:
    """One partial or final on the wire."""
    return _with_packets(_ANSWER_BYTES)


def answer_ack_bytes() -> float:
    """What says that it came, the other way."""
    return _PACKET_BYTES


def redis_things_per_s(workers: int, sessions: float, starts_per_s: float) -> float:
    """What workers tell their store: an exchange a second each, with its part of the sessions, and each start."""
    return workers * (1 + math.ceil(sessions / workers / _TOLD_EVERY_S)) + starts_per_s


def redis_cpu_share(things_per_s: float) -> float:
    """The part of a core that a Redis needs for them."""
    return things_per_s * _REDIS_CPU_S


def redis_bytes_per_s(things_per_s: float) -> float:
    """What goes to it and comes from it."""
    return things_per_s * _REDIS_BYTES


def redis_nodes(cpu_share: float, headroom: float) -> int:
    """How many Redis there are to be, each of which executes its commands on one core, some of which is to be left."""
    return max(1, math.ceil(cpu_share / (1 - headroom)))


def redis_memory_bytes(sessions: float, starts_per_s: float) -> float:
    """What sessions take there, and the notes of those that ended."""
    return sessions * (_NOTE_BYTES + _LISTED_BYTES) + starts_per_s * NOTED_S * _NOTE_BYTES


def _chunk_bytes(chunk_ms: float, *, is_binary: bool) -> float:
    pcm_bytes = _PCM_BYTES_PER_S * chunk_ms / 1000
    message_bytes = pcm_bytes if is_binary else 4 * math.ceil(pcm_bytes / 3) + _MESSAGE_BYTES
    return message_bytes + _FRAME_BYTES


def _with_packets(size_bytes: float) -> float:
    return size_bytes + _packets(size_bytes) * _PACKET_BYTES


def _packets(size_bytes: float) -> int:
    return math.ceil(size_bytes / _SEGMENT_BYTES)
