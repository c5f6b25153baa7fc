"""A session's figures by name."""

from __future__ import annotations

from earful.session.numbers import Numbers


def test_every_figure_has_a_name() -> None:
    """As the log line and the session routes give them."""
    names = ["audio_bytes", "audio_ms", "speech_ms", "chunks", "partials", "finals", "errors", "model_s"]
    assert dict.fromkeys(names, 0) | {"chunks": 3, "model_s": 0.5} == Numbers(chunks=3, model_s=0.5).as_dict()
