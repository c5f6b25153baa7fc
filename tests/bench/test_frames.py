"""A client's frames: what a server makes of them, and what is made of a server's."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.far_end import served

from earful.bench.frames import (
    CLOSE,
    CONTINUATION,
    MAX_MESSAGE_BYTES,
    PING,
    TEXT,
    FrameError,
    Frames,
    Message,
    frame,
    masked,
    opening,
)
from earful.transport.frames import FrameReader

SIZES = (0, 1, 125, 126, 127, 65_535, 65_536)


@pytest.mark.parametrize("size", SIZES)
def test_a_server_reads_what_was_sent(size: int) -> None:
    """In each of the three forms that a length has."""
    payload = b"x" * size
    assert [(TEXT, payload)] == FrameReader(1 << 20).feed(frame(TEXT, payload))


@given(pieces=st.lists(st.binary(max_size=99).filter(bytes.isascii)))
def test_pieces_may_be_masked_apart(pieces: list[bytes]) -> None:
    """They join to the frame of the whole."""
    size = sum(map(len, pieces))
    assert frame(TEXT, b"".join(pieces)) == opening(TEXT, size) + b"".join(map(masked, pieces))


@given(payloads=st.lists(st.sampled_from(SIZES)), data=st.data())
def test_any_cutting_gives_the_same_messages(payloads: list[int], data: st.DataObject) -> None:
    """Two pieces, cut anywhere; then byte by byte where that is not too long."""
    sent = [(PING if size < 126 else TEXT, bytes(size)) for size in payloads]
    whole = b"".join(served(opcode, payload) for opcode, payload in sent)
    at = data.draw(st.integers(0, len(whole)))
    assert sent == fed(whole[:at], whole[at:])
    if len(whole) < 2000:
        assert sent == fed(*(bytes([byte]) for byte in whole))


@pytest.mark.parametrize(
    "wire",
    [
        served(TEXT, b"half", first=0),
        served(CONTINUATION, b"half"),
        bytes([0x80 | TEXT, 127]) + struct.pack("!Q", MAX_MESSAGE_BYTES + 1),
        frame(TEXT, b"masked"),
    ],
    ids=["fragment", "continuation", "too long", "masked"],
)
def test_what_no_server_of_ours_sends_is_an_error(wire: bytes) -> None:
    """Fragments, messages above 1 MiB, masks."""
    with pytest.raises(FrameError):
        Frames().feed(wire)


def test_a_close_frame_is_a_message() -> None:
    """With its code as payload."""
    assert [(CLOSE, b"\x03\xe8")] == fed(served(CLOSE, b"\x03\xe8"))


def fed(*pieces: bytes) -> list[Message]:
    """What comes out of these pieces."""
    frames = Frames()
    return [message for piece in pieces for message in frames.feed(piece)]
