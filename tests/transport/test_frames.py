"""Frames: every rule of RFC 6455 that a server minds, however the bytes arrive, and a bound on what is held."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Self

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.support.raw import BINARY, CLOSE, CONTINUATION, FIN, PING, PONG, TEXT
from tests.support.raw import frame as masked

from earful.errors import CloseCode
from earful.transport import frames
from earful.transport.frames import FRAMES_AT_ONCE, FrameReader, Message, close_payload, fault_of_close, frame

if TYPE_CHECKING:
    from collections.abc import Iterable

    from typing_extensions import Buffer

MAX_BYTES = 1000
HEAD_BYTES = 14
RSV1 = 0x40
PROTOCOL_ERROR, TOO_BIG, INVALID = CloseCode.PROTOCOL_ERROR, CloseCode.TOO_BIG, CloseCode.INVALID_PAYLOAD
GRUESSE = "grüße".encode()


def read(reader: FrameReader, data: bytes) -> list[Message]:
    """Everything that `data` completes, in as many calls as it takes."""
    text = reader.whole_text(data)
    messages = reader.feed(data) if text is None else [(TEXT, text)]
    while reader.is_behind:
        messages += reader.feed(b"")
    return messages


def read_all(pieces: Iterable[bytes]) -> tuple[list[Message], CloseCode | None]:
    """What a new reader makes of the pieces."""
    reader = FrameReader(MAX_BYTES)
    messages = [message for piece in pieces for message in read(reader, piece)]
    return messages, reader.fault


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    """The same bytes in pieces."""
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[begin:end] for begin, end in itertools.pairwise(edges)]


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 1000])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_a_whole_frame_is_a_message(opcode: int, size: int) -> None:
    """Of any length, with each form of it that is needed."""
    assert ([(opcode, b"x" * size)], None) == read_all([masked(opcode, b"x" * size)])


LONG_TEXT = masked(TEXT, b"x" * 500)


@pytest.mark.parametrize(
    ("before", "data"),
    [
        (b"", masked(TEXT, b"x" * 125)),
        (b"", LONG_TEXT[:-1]),
        (b"", LONG_TEXT + LONG_TEXT),
        (b"", masked(BINARY, b"x" * 500)),
        (b"", masked(TEXT, b"x" * 499, first=0)),
        (b"", masked(TEXT, b"x" * (MAX_BYTES + 1))),
        (b"", masked(TEXT, GRUESSE * 50)),
        (b"", b"\x81\xfe" + LONG_TEXT[2:3] + b"\x00" + LONG_TEXT[4:]),
        (LONG_TEXT[:1], LONG_TEXT),
        (masked(TEXT, b"", first=0), LONG_TEXT),
        (masked(TEXT, b"", first=FIN | RSV1), LONG_TEXT),
    ],
)
def test_only_a_whole_plain_text_goes_the_short_way(before: bytes, data: bytes) -> None:
    """Anything else in the read, or before it, goes the long one; nothing is taken by asking."""
    reader, twin = FrameReader(MAX_BYTES), FrameReader(MAX_BYTES)
    reader.feed(before)
    twin.feed(before)
    assert reader.whole_text(data) is None
    assert (twin.feed(data), twin.fault) == (reader.feed(data), reader.fault)


def test_a_whole_plain_text_goes_the_short_way_again_and_again() -> None:
    """It leaves nothing behind."""
    reader = FrameReader(MAX_BYTES)
    assert [b"x" * 500] * 3 == [reader.whole_text(LONG_TEXT) for _ in range(3)]
    assert [(TEXT, b"x" * 500)] == reader.feed(LONG_TEXT)


def test_a_message_may_need_the_longest_form_of_a_length() -> None:
    """Above 65,535 bytes."""
    reader = FrameReader(1 << 20)
    assert [(TEXT, b"x" * 70_000)] == reader.feed(masked(TEXT, b"x" * 70_000))


def test_what_comes_in_fragments_is_one_message() -> None:
    """Cut inside a character, with empty ones and control frames between; the next message is another."""
    data = [
        masked(TEXT, GRUESSE[:3], first=0),
        masked(PING, b"between"),
        masked(CONTINUATION, b"", first=0),
        masked(CONTINUATION, GRUESSE[3:]),
        masked(BINARY, b"\xff", first=0),
        masked(PONG, b""),
        masked(CONTINUATION, b"\xfe"),
        masked(TEXT, b"next"),
    ]
    wanted = [(PING, b"between"), (TEXT, GRUESSE), (PONG, b""), (BINARY, b"\xff\xfe"), (TEXT, b"next")]
    assert (wanted, None) == read_all([b"".join(data)])


@pytest.mark.parametrize("count", [FRAMES_AT_ONCE - 1, FRAMES_AT_ONCE, FRAMES_AT_ONCE + 1, 3 * FRAMES_AT_ONCE])
def test_one_call_takes_so_many_frames_and_no_more(count: int) -> None:
    """The rest is taken by calls with nothing new."""
    reader = FrameReader(MAX_BYTES)
    first = reader.feed(masked(PING, b"") * count)
    assert (min(count, FRAMES_AT_ONCE), count > FRAMES_AT_ONCE) == (len(first), reader.is_behind)
    assert count == len(first + read(reader, b""))
    assert (False, 0) == (reader.is_behind, len(reader._rest))


def test_empty_fragments_without_end_take_their_turns_too() -> None:
    """They complete nothing, and are no message either."""
    reader = FrameReader(MAX_BYTES)
    begun = reader.feed(masked(TEXT, b"x", first=0) + masked(CONTINUATION, b"", first=0) * 10 * FRAMES_AT_ONCE)
    assert ([], True) == (begun, reader.is_behind)
    assert [(TEXT, b"x")] == read(reader, masked(CONTINUATION, b""))


BROKEN = [
    (PROTOCOL_ERROR, masked(TEXT, b"{}", first=FIN | RSV1)),
    (PROTOCOL_ERROR, masked(TEXT, b"{}", first=FIN | 0x10)),
    (PROTOCOL_ERROR, masked(PING, b"", first=FIN | 0x20)),
    (PROTOCOL_ERROR, masked(TEXT, b"{}", masked=False)),
    *[(PROTOCOL_ERROR, masked(opcode, b"")) for opcode in (3, 7, 11, 15)],
    (PROTOCOL_ERROR, masked(CONTINUATION, b"x")),
    (PROTOCOL_ERROR, masked(CONTINUATION, b"x", first=0)),
    (PROTOCOL_ERROR, masked(TEXT, b"x", first=0) + masked(TEXT, b"y")),
    (PROTOCOL_ERROR, masked(TEXT, b"x", first=0) + masked(BINARY, b"y", first=0)),
    *[(PROTOCOL_ERROR, masked(opcode, b"", first=0)) for opcode in (CLOSE, PING, PONG)],
    *[(PROTOCOL_ERROR, masked(opcode, bytes(126))) for opcode in (CLOSE, PING, PONG)],
    (PROTOCOL_ERROR, b"\x81\xfe\x00\x7d" + bytes(4 + 125)),
    (PROTOCOL_ERROR, b"\x81\xff" + (65_535).to_bytes(8, "big") + bytes(4)),
    (PROTOCOL_ERROR, b"\x81\xff" + (1 << 63).to_bytes(8, "big") + bytes(4)),
    (TOO_BIG, b"\x81\xff" + ((1 << 63) - 1).to_bytes(8, "big") + bytes(4)),
    (TOO_BIG, masked(TEXT, bytes(MAX_BYTES + 1))),
    (TOO_BIG, masked(BINARY, bytes(MAX_BYTES), first=0) + masked(CONTINUATION, b"x")),
    (INVALID, masked(TEXT, b"\xff")),
    (INVALID, masked(TEXT, b"\xed\xa0\x80")),
    (INVALID, masked(TEXT, GRUESSE[:3])),
    (INVALID, masked(TEXT, b"\xc3", first=0) + masked(CONTINUATION, b"(", first=0)),
    (INVALID, masked(TEXT, b"\xc3", first=0) + masked(CONTINUATION, b"")),
    (PROTOCOL_ERROR, masked(CLOSE, b"\x03")),
    (INVALID, masked(CLOSE, b"\x03\xe8\xff")),
]


@pytest.mark.parametrize(("fault", "data"), BROKEN)
def test_a_broken_frame_is_a_fault_and_nothing_after_it_is_heard(fault: CloseCode, data: bytes) -> None:
    """What came before it is; the reader holds nothing of what comes then."""
    reader = FrameReader(MAX_BYTES)
    before, after = masked(TEXT, b"before"), masked(TEXT, b"after")
    assert [(TEXT, b"before")] == reader.feed(before + data + after)
    assert (fault, False) == (reader.fault, reader.is_behind)
    assert [] == reader.feed(after * 100)
    assert 0 == len(reader._rest)


def test_a_fault_is_found_as_soon_as_its_bytes_are_there() -> None:
    """A bad head before its payload, bad text before its last fragment."""
    assert PROTOCOL_ERROR == read_all([b"\x89\xfe"])[1]
    assert TOO_BIG == read_all([b"\x81\xff" + (1 << 40).to_bytes(8, "big") + bytes(4)])[1]
    assert INVALID == read_all([masked(TEXT, b"\xff", first=0)])[1]


def test_control_frames_fit_into_a_message_that_is_as_long_as_it_may_be() -> None:
    """The bound is on messages."""
    data = masked(BINARY, bytes(MAX_BYTES), first=0) + masked(PING, bytes(125)) + masked(CONTINUATION, b"")
    assert ([(PING, bytes(125)), (BINARY, bytes(MAX_BYTES))], None) == read_all([data])


@pytest.mark.parametrize("code", [1000, 1001, 1002, 1003, 1007, 1011, 1014, 3000, 4999])
def test_a_close_frame_may_have_a_code_and_a_reason(code: int) -> None:
    """Codes that are registered, or the application's."""
    for payload in (b"", close_payload(code, ""), close_payload(code, "grüße")):
        assert ([(CLOSE, payload)], None) == read_all([masked(CLOSE, payload)])


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 2999, 5000, 65_535])
def test_codes_that_may_not_be_sent_are_faults(code: int) -> None:
    """Reserved, or out of range."""
    assert PROTOCOL_ERROR == fault_of_close(close_payload(code, ""))


PAYLOADS = st.binary(max_size=140) | st.text(max_size=60).map(str.encode)
FRAMES = st.builds(
    masked,
    st.sampled_from([CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG, 3]),
    PAYLOADS,
    first=st.sampled_from([FIN, FIN, FIN, 0, 0, RSV1]),
    masked=st.sampled_from([True, True, True, True, False]),
)
GOOD = st.builds(masked, st.sampled_from([TEXT, PING, PONG]), st.text(max_size=30).map(str.encode))
STREAMS = st.lists(FRAMES | GOOD, max_size=12).map(b"".join) | st.binary(max_size=300)


@given(STREAMS, st.lists(st.integers(0, 1 << 16), max_size=20))
@example(b"".join(data for _, data in BROKEN[:1]), list(range(20)))
def test_any_cutting_of_the_bytes_gives_the_same(data: bytes, places: list[int]) -> None:
    """The same messages, the same fault."""
    assert read_all([data]) == read_all(cut(data, places)) == read_all(cut(data, range(len(data))))


@given(STREAMS, st.lists(st.integers(0, 1 << 16), max_size=5))
def test_what_is_held_is_bounded(data: bytes, places: list[int]) -> None:
    """One message, a head, and what was fed last."""
    reader = FrameReader(MAX_BYTES)
    for piece in cut(data, places):
        read(reader, piece)
        assert len(reader._rest) + len(reader._fragments) <= MAX_BYTES + HEAD_BYTES + 125


@given(st.binary(max_size=2000))
def test_any_bytes_give_messages_or_a_fault(data: bytes) -> None:
    """Never an exception; every message is one that may be."""
    messages, _ = read_all([data])
    assert {opcode for opcode, _ in messages} <= {TEXT, BINARY, CLOSE, PING, PONG}
    assert all(payload.decode() is not None for opcode, payload in messages if opcode == TEXT)


class CountingBytes(bytearray):
    """Counts what is copied into and out of it."""

    copied = 0

    def __iadd__(self, more: Buffer) -> Self:  # type: ignore[override]  # the same, counted
        """Append."""
        type(self).copied += len(bytes(more))
        super().__iadd__(more)
        return self

    def __bytes__(self) -> bytes:
        """Take everything."""
        type(self).copied += len(self)
        return bytes(memoryview(self))


@pytest.mark.parametrize("step", [1, 100, 70_014])
def test_a_message_in_small_segments_costs_what_a_whole_one_costs(step: int) -> None:
    """Each byte is copied in once and out once, however it comes."""
    data = masked(TEXT, b"x" * 70_000)
    reader = FrameReader(1 << 20)
    CountingBytes.copied = 0
    reader._rest = CountingBytes()
    messages = [message for at in range(0, len(data), step) for message in reader.feed(data[at : at + step])]
    assert [(TEXT, b"x" * 70_000)] == messages
    assert CountingBytes.copied <= 2 * len(data) + 10 * HEAD_BYTES


def test_many_small_frames_in_one_read_are_copied_a_bounded_number_of_times() -> None:
    """Once in and once out for each call, which takes many frames: not once for each frame."""
    data = masked(PING, b"") * 10_000
    reader = FrameReader(MAX_BYTES)
    CountingBytes.copied = 0
    reader._rest = CountingBytes()
    assert 10_000 == len(read(reader, data))
    assert CountingBytes.copied <= len(data) * (10_000 // FRAMES_AT_ONCE + 2)


def test_a_reader_forgets_a_message_that_is_done() -> None:
    """A session's memory is not its longest message's."""
    reader = FrameReader(1 << 20)
    data = masked(BINARY, bytes(900_000), first=0)
    reader.feed(data[:500_000])
    reader.feed(data[500_000:] + masked(CONTINUATION, b"x"))
    assert max(reader._rest.__sizeof__(), reader._fragments.__sizeof__()) < 200


@pytest.mark.parametrize(
    ("size", "head"),
    [(0, b"\x81\x00"), (125, b"\x81\x7d"), (126, b"\x81\x7e\x00\x7e"), (65_536, b"\x81\x7f\0\0\0\0\0\1\0\0")],
)
def test_a_frame_is_made_with_the_shortest_length(size: int, head: bytes) -> None:
    """And without a mask."""
    assert head + bytes(size) == frame(TEXT, bytes(size))


def test_a_reason_is_cut_to_what_a_control_frame_takes() -> None:
    """At a whole character."""
    payload = close_payload(1000, "ü" * 100)
    assert (2 + 122, None) == (len(payload), fault_of_close(payload))
    assert len(payload) <= frames.CONTROL_BYTES
