"""What a cursor says of a session, and of a mark in it."""

from __future__ import annotations

import pytest

from earful.audio.pcm import Encoding, Format
from earful.errors import EarfulError
from earful.protocol.cursor import Cursor, Position


def test_a_session_begins_before_all_its_audio() -> None:
    """At the first chunk's first byte, with the first utterance still to come."""
    assert Position(1, 0, 0, inside_speech=False, index=0) == Cursor("s", 5).position


def test_the_cursors_of_a_session_differ_in_their_marks_alone() -> None:
    """All else goes with the session wherever it goes."""
    cursor = Cursor("s", 5, "tenant", Encoding.MULAW, 8_000, 2, "en", "off", words=True)
    later = cursor.at(Position(7, 12, 3_456, inside_speech=True, index=2))
    assert (7, 12, 3_456, True, 2) == (
        later.position.sequence,
        later.position.offset_bytes,
        later.position.samples,
        later.position.inside_speech,
        later.position.index,
    )
    assert cursor == later.at(cursor.position)


def test_a_cursor_knows_its_format() -> None:
    """As one value, which refuses what no session could have."""
    assert Format(Encoding.ALAW, 44_100, 3) == Cursor("s", 5, "", Encoding.ALAW, 44_100, 3).format
    with pytest.raises(EarfulError):
        _ = Cursor("s", 5, sample_rate=1).format
