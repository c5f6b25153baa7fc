"""What sessions and uploads came to, as sentences without what is not told and what is nothing."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earful.cli.amounts import amounts, upload_amounts


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({}, ""),
        ({"audio_ms": 0}, "It sent 0 ms of audio."),
        ({"audio_ms": 100, "partials": 0, "finals": 0}, "It sent 100 ms of audio; it was told no result."),
        (
            {"audio_ms": 2000, "chunks": 1, "speech_ms": 0, "partials": 0, "finals": 1},
            "It sent 2000 ms of audio in 1 chunk; it was told 1 final.",
        ),
        (
            {"audio_ms": 900, "speech_ms": 860, "partials": 1, "finals": 0, "longest_lag_ms": 62},
            "It sent 900 ms of audio, 860 ms of it speech; it was told 1 partial, the slowest after 62 ms.",
        ),
        (
            {
                "audio_ms": 9000,
                "chunks": 90,
                "speech_ms": 4000,
                "partials": 30,
                "finals": 2,
                "silent_s": 61.2,
                "held_s": 1.5,
                "longest_lag_ms": 0,
            },
            (
                "It sent 9000 ms of audio in 90 chunks, 4000 ms of it speech; it was told 30 partials and 2 finals;"
                " the server paused reading for 1.5 s; nothing had come for 61.2 s."
            ),
        ),
        (
            {"audio_ms": 9000, "resumed_ms": 8500, "chunks": 5, "finals": 1, "silent_s": 0.1},
            (
                "After 8500 ms of audio that had been heard before, its last connection sent 500 ms of audio in"
                " 5 chunks; it was told 1 final."
            ),
        ),
    ],
)
def test_a_session(fields: dict[str, Any], sentence: str) -> None:
    """Its last connection."""
    assert sentence == amounts(fields)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"code": "not_audio", "audio_ms": 0}, ""),
        ({"audio_ms": 100, "speech_ms": 0, "finals": 0}, "It had 100 ms of audio."),
        (
            {"audio_ms": 31190, "speech_ms": 20000, "finals": 6, "model_s": 1.2},
            "It had 31190 ms of audio, 20000 ms of it speech in 6 utterances; the model took 1.2 s.",
        ),
    ],
)
def test_an_upload(fields: dict[str, Any], sentence: str) -> None:
    """As far as it got."""
    assert sentence == upload_amounts(fields)


@given(
    st.dictionaries(
        st.sampled_from(["audio_ms", "resumed_ms", "chunks", "finals", "model_s"]),
        st.text() | st.none() | st.integers(),
    )
)
def test_only_numbers_are_taken(fields: dict[str, Any]) -> None:
    """Whatever another release, or somebody else, puts there."""
    assert ("audio_ms" in fields) == amounts(fields).endswith(".")
    assert isinstance(fields.get("audio_ms") or "", int) == upload_amounts(fields).endswith(".")
    assert (amounts(fields) + upload_amounts(fields)).isprintable()
