"""A session's figures by name."""

from __future__ import annotations

from earful.session.numbers import Numbers


def test_every_figure_has_a_name() -> None:
    """As the log line and the session routes give them."""
    names = ["audio_bytes", "audio_ms", "resumed_ms", "speech_ms", "chunks", "partials", "finals", "errors", "model_s"]
    assert dict.fromkeys(names, 0) | {"chunks": 3, "model_s": 0.5} == Numbers(chunks=3, model_s=0.5).as_dict()


def test_a_resumed_connection_heard_what_came_after() -> None:
    """What others heard before is the session's, and not its own."""
    assert [0, 300] == [Numbers(audio_ms=ms, resumed_ms=500).heard_ms for ms in (499, 800)]
