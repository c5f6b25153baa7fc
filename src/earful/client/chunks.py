"""How long a chunk may be, by what a server allows. Pure.

Guarantees that a chunk of so many bytes is neither too long for it nor, as text, too large. Asked by `Speaker`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from earful.client.pace import bytes_per_s

if TYPE_CHECKING:
    from collections.abc import Iterator

    from earful.protocol.messages import Started

_AROUND_BYTES = 80
"""Of a message beside its audio, at most: its names, its marks, a sequence of sixteen digits."""


def longest_chunk_bytes(started: Started, channels: int) -> int:
    """Of audio in the session's format: `max_chunk_ms` of it, that fit as base64 into `max_message_bytes`."""
    limits = started.limits
    by_time = bytes_per_s(started.encoding, started.sample_rate, channels) * limits.max_chunk_ms // 1000
    by_size = (limits.max_message_bytes - _AROUND_BYTES) // 4 * 3
    return max(0, min(by_time, by_size))


def cut(data: bytes, longest_bytes: int) -> Iterator[bytes]:
    """All of it, in pieces of at most `longest_bytes`, which is not 0."""
    for start in range(0, len(data), longest_bytes):
        yield data[start : start + longest_bytes]
