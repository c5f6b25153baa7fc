"""How long a chunk may be: whatever a server allows, its audio is all there, and no message is too large."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET
from pybase64 import b64encode

from earful.client.chunks import cut, longest_chunk_bytes
from earful.protocol.messages import MAX_SEQUENCE, EncodedChunk, Limits, Started


def allowing(max_message_bytes: int, max_chunk_ms: int, encoding: str = "pcm_s16le") -> Started:
    """What a server says that allows so much."""
    limits = Limits(max_message_bytes, max_chunk_ms, 60, 14_400, 4, 5_000, 120, 50)
    return Started("id", 1, 0, 16_000, encoding, limits, cursor=UNSET)


def test_the_longest_chunk() -> None:
    """By time in the session's format, or by size as text; never less than nothing."""
    assert 3_200 == longest_chunk_bytes(allowing(1 << 20, 100), 1)
    assert 12_800 == longest_chunk_bytes(allowing(1 << 20, 100, "pcm_f32le"), 2)
    assert 708 == longest_chunk_bytes(allowing(1_024, 10_000), 1)
    assert 0 == longest_chunk_bytes(allowing(10, 10_000), 1)


@given(st.integers(84, 5_000), st.binary(max_size=9_000))
def test_every_message_fits(max_message_bytes: int, data: bytes) -> None:
    """As text, under the largest number; together they are what was said."""
    longest_bytes = longest_chunk_bytes(allowing(max_message_bytes, 10_000), 1)
    pieces = list(cut(data, longest_bytes))
    assert data == b"".join(pieces)
    for piece in pieces:
        assert len(piece) <= longest_bytes
        message = msgspec.json.encode(EncodedChunk(b64encode(piece).decode(), MAX_SEQUENCE))
        assert len(message) <= max_message_bytes
