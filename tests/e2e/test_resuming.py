"""The promise over real processes: a worker is killed in the middle of a sentence, another goes on."""

from __future__ import annotations

import signal
from typing import Any

import pytest
from tests.session.ear import told
from tests.support.resuming import connect, hear, send
from tests.support.server import running
from tests.support.speech import SPEECH, expected, pieces

from earful.client.core import Speaker
from earful.protocol.messages import Start

pytestmark = pytest.mark.e2e

SETTINGS: dict[str, Any] = {"mock_latency_ms": 5, "max_speed": 0}
SECRET = {"EARFUL_SECRET": "a new one, the old one"}


@pytest.mark.parametrize("transport", ["fast", "asgi"])
def test_a_worker_that_is_killed_costs_no_word(transport: str) -> None:
    """`kill -9` with a sentence open; the finals are those of an undisturbed run, and no log has the secret."""
    with (
        running(transport=transport, env=SECRET, exit_code=-signal.SIGKILL, **SETTINGS) as first,
        running(transport=transport, env=SECRET, **SETTINGS) as second,
    ):
        speaker = Speaker(Start())
        raw = connect(speaker, first.address)
        for piece in pieces(SPEECH[:320_000]):
            speaker.speak(piece)
        send(speaker, raw)
        while len(speaker.finals) < 2 or not speaker.fragments:
            assert None is hear(speaker, raw, 1)
        first.signal(signal.SIGKILL)
        while hear(speaker, raw, 1) is None:
            continue
        raw.close()
        before = len(speaker.finals)
        for piece in pieces(SPEECH[320_000:]):
            speaker.speak(piece)
        speaker.stop()
        raw = connect(speaker, second.address)
        assert 1000 == getattr(hear(speaker, raw, 10_000), "code", None)
        raw.close()
    assert 2 <= before < len(expected(SPEECH))
    assert expected(SPEECH) == told(speaker.finals)[: len(expected(SPEECH))]
    assert "new one" not in first.log.text + second.log.text
