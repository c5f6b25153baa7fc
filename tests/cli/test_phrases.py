"""Phrases: every event is a sentence, with what is known of it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earful.cli.phrases import _PHRASES, amounts, phrase, printable


@pytest.mark.parametrize(
    ("event", "fields", "sentence"),
    [
        (
            "session connected",
            {"peer": "10.0.0.7", "transport": "fast", "resuming": False},
            "A client connected from 10.0.0.7 (fast).",
        ),
        ("session connected", {"resuming": True}, "A client connected to go on with a session."),
        (
            "session started",
            {"encoding": "pcm_s16le", "sample_rate": 16000, "channels": 1, "plain": True},
            "The session began with the plain protocol: pcm_s16le, 16000 Hz, 1 channel(s).",
        ),
        (
            "session resumed",
            {"attempt": 2, "from_sequence": 40, "audio_ms": 3900},
            "The client went on with the session here, its try 2, from chunk 40, 3900 ms into the audio.",
        ),
        (
            "error told",
            {"code": "sequence_gap", "fatal": True, "expected": 7},
            "The client was told the error sequence_gap, where 7 was expected, which ended the connection.",
        ),
        ("session ended", {"reason": "stop"}, "The session ended: stop."),
        ("upload moved", {"by": 3, "to": None}, "upload moved: by 3."),
        ("odd", {}, "odd."),
        (
            "odd\n\x1b[31m",
            {"a": "\r"},
            "odd\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}[31m: a \N{REPLACEMENT CHARACTER}.",
        ),
    ],
)
def test_an_event_is_a_sentence(event: str, fields: dict[str, Any], sentence: str) -> None:
    """Of those of its fields that are there."""
    assert sentence == phrase(event, fields)


def test_an_end_says_what_it_came_to() -> None:
    """As far as its fields tell."""
    fields = {
        "audio_ms": 9000,
        "chunks": 90,
        "speech_ms": 4000,
        "partials": 30,
        "finals": 2,
        "silent_s": 61.2,
        "held_s": 0.0,
    }
    assert amounts(fields) == (
        "It sent 9000 ms of audio in 90 chunks, 4000 ms of it speech; it was told 30 partials and 2 finals;"
        " nothing had come for 61.2 s."
    )
    assert "" == amounts({})


@given(
    st.sampled_from([*_PHRASES, "another"]),
    st.dictionaries(st.sampled_from(["peer", "code", "reason", "plain", "x"]), st.text() | st.integers() | st.none()),
)
def test_no_field_disturbs_a_terminal(event: str, fields: dict[str, Any]) -> None:
    """Whatever is in it, it is one line."""
    assert phrase(f"session {event}", fields).isprintable()


def test_long_values_are_cut() -> None:
    """A sentence stays one."""
    assert len(phrase("session connected", {"peer": "x" * 10_000})) < 300
    assert "a\N{REPLACEMENT CHARACTER}b" == printable("a\x00b")
