"""A real server whose model crashes, hangs, grows, raises or answers nonsense on one session: no other is harmed.

Real sockets, real processes; the other session ends with the finals of an undisturbed run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.support.raw import RawSocket, connected
from tests.support.server import running
from tests.support.speech import BYTES_PER_MS, SENTENCE, codes, expected, finals, pieces
from tests.support.wicked import CRASH, HANG, LEAK, NONSENSE, RAISE, WICKED, WICKED_BATCH

if TYPE_CHECKING:
    from tests.support.server import Running

pytestmark = pytest.mark.e2e

AT = 1000 * BYTES_PER_MS
LARGEST_MB = 80
SETTINGS: dict[str, Any] = {
    "model_processes": 2,
    "model_timeout_s": 3,
    "model_process_max_mb": LARGEST_MB,
    "max_speed": 0,
}
FAILED, TIMED_OUT = ["model_failed"], ["model_timeout"]


def marked(deed: bytes) -> bytes:
    """Two sentences, in the first of which somebody says what makes the model do it."""
    return SENTENCE[:AT] + deed + SENTENCE[AT + len(deed) :] + SENTENCE


def speak(raw: RawSocket, pcm: bytes) -> None:
    """Say it all, and that it was all."""
    for piece in pieces(pcm):
        raw.say_audio(piece)
    raw.say("stop")


def metric(server: Running, name: str) -> float:
    """The sum of a metric's series."""
    lines = server.address.request("GET", "/metrics").body.decode().splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.partition("{")[0].partition(" ")[0] == name)


@pytest.mark.parametrize("model", [WICKED, WICKED_BATCH])
@pytest.mark.parametrize(
    ("deed", "told", "ends"),
    [(CRASH, FAILED, 2), (HANG, TIMED_OUT, 1), (LEAK, [], 1), (RAISE, FAILED, 0), (NONSENSE, FAILED, 0)],
    ids=["crashes", "hangs", "leaks", "raises", "answers nonsense"],
)
def test_what_a_model_does_to_one_session_it_does_to_no_other(
    model: str, deed: bytes, told: list[str], ends: int
) -> None:
    """The session itself is told, and goes on: its next sentence is heard as ever."""
    allowed = ("model process ended", "model failed")
    with running(model=model, allowed=allowed, **SETTINGS) as server:
        with connected(server.address) as wicked, connected(server.address) as good:
            speak(wicked, marked(deed))
            speak(good, SENTENCE * 2)
            said, end = good.hear_all()
            own, own_end = wicked.hear_all()
        assert (1000, 1000) == (end.code, own_end.code)
        if (model, deed) != (WICKED_BATCH, HANG):  # Of a step that hangs all are told.
            assert expected(SENTENCE * 2) == finals(said)
        assert told == codes(own)
        assert expected(SENTENCE * 2)[-1] == finals(own)[-1]
        if ends:
            server.log.wait_for("model process ended")
            assert ends <= metric(server, "earful_model_process_ends_total")
        assert 0 == metric(server, "earful_model_kept_bytes")
