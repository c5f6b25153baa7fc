"""Phrases: every event is a sentence, with what is known of it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earful.cli.phrases import _PHRASES, phrase, printable


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
        ("upload started", {"peer": "10.0.0.7"}, "The upload began from 10.0.0.7."),
        ("upload ended", {"duration_s": 1.5, "code": None, "left": False}, "The upload ended after 1.5 s."),
        ("upload ended", {"code": None, "left": True}, "The upload ended, its client having gone."),
        (
            "upload ended",
            {"duration_s": 0.1, "code": "not_audio"},
            "The upload ended after 0.1 s, answered with the error not_audio.",
        ),
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
