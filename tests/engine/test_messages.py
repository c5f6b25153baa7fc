"""Frames between a worker and the processes of its model: whole again, however they are cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earful.engine.messages import (
    MAX_FRAME_BYTES,
    Answer,
    Ask,
    BadFrameError,
    Begin,
    Forget,
    FromProcess,
    Raised,
    Ready,
    ToProcess,
    Unfit,
    frame_of,
    from_process,
    to_process,
)
from earful.errors import ErrorCode
from earful.models.types import SessionInfo, TranscriptResult, Word

INFO = SessionInfo("a", "en", words=True)
TOLD: list[ToProcess] = [Begin("mock", {"latency_ms": 5}, 30.0), Ask(1, b"\x00\x01", True, INFO), Forget(1)]
SAID: list[FromProcess] = [
    Ready(None),
    Unfit("no weights"),
    Raised(INFO, "KeyError", "model.py"),
    Answer(1, TranscriptResult("ja", True, (Word("ja", 0, 100, 0.5),)), None),
    Answer(2, None, ErrorCode.MODEL_FAILED),
]


@given(st.lists(st.integers(1, 300), max_size=20), st.lists(st.sampled_from(SAID), max_size=8))
def test_messages_are_whole_however_they_are_cut(cuts: list[int], said: list[FromProcess]) -> None:
    """And come in their order."""
    data, frames = frame_of(SAID) + frame_of(said), from_process()
    heard: list[FromProcess] = []
    for cut in cuts:
        heard += frames.feed(data[:cut])
        data = data[cut:]
    assert [*SAID, *said] == [*heard, *frames.feed(data)]


def test_what_the_parent_says_is_understood() -> None:
    """Each kind of message."""
    assert TOLD == list(to_process().feed(frame_of(TOLD)))


@pytest.mark.parametrize(
    "data",
    [
        (MAX_FRAME_BYTES + 1).to_bytes(4, "big"),
        b"\x00\x00\x00\x01\xc1",
        b"\x00\x00\x00\x02\x91\xc0",
        frame_of(TOLD),
        b"Traceback (most recent call last)",
    ],
)
def test_what_is_no_frame_is_refused(data: bytes) -> None:
    """Too long a length, no msgpack, no message, one of the other direction, and what somebody printed."""
    with pytest.raises(BadFrameError):
        list(from_process().feed(data))
