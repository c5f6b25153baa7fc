"""Stories: told in order, over all workers, with the sentence that says why it ended."""

from __future__ import annotations

from datetime import timedelta, timezone
from typing import Any

from earful.cli.story import Account, Colleague, Happening, Story

SESSION = "yT0kq3vXh0m1m8hS5uO4Yw"
BEGAN_MS = 1_764_022_991_123
IDLE = {
    "reason": "idle_timeout",
    "why": "The client sent nothing at all, audio or other, for idle_timeout_s.",
    "close_code": 4008,
    "duration_s": 72.4,
    "audio_ms": 12_400,
    "silent_s": 60.1,
}


def happened(after_ms: int, name: str, **fields: Any) -> Happening:
    """An event, so long after the first."""
    return Happening(BEGAN_MS + after_ms, name, fields)


def account(worker: str, *events: Happening, elsewhere: Colleague | None = None) -> Account:
    """What a worker remembers."""
    return Account(SESSION, worker, list(events), elsewhere)


CONNECTED = happened(0, "session connected", peer="10.0.0.7", transport="fast", resuming=False)


def test_lines_have_times_and_sentences() -> None:
    """Of day, in the reader's zone, and since the first."""
    story = Story([account("one", CONNECTED, happened(72_400, "session ended", **IDLE))])
    assert list(story.lines(timezone(timedelta(hours=1)))) == [
        "23:23:11.123     +0.000 s  A client connected from 10.0.0.7 (fast).",
        "23:24:23.523    +72.400 s  The session ended after 72.4 s: idle_timeout, close code 4008.",
    ]


def test_an_end_is_explained() -> None:
    """Why, what to do, what it came to."""
    story = Story([account("one", CONNECTED, happened(72_400, "session ended", **IDLE))])
    assert story.verdict() == (
        "It sent 12400 ms of audio; nothing had come for 60.1 s.\n"
        "Why it ended: The client sent nothing at all, audio or other, for idle_timeout_s.\n"
        "What to do: Have the client send keepalive while nobody speaks, or raise idle_timeout_s."
    )


def test_an_end_of_another_release_is_told_too() -> None:
    """By its name, with a pointer."""
    ended = happened(1, "session ended", reason="moonshine")
    assert Story([account("one", ended)]).verdict() == (
        "Why it ended: It ended for the reason moonshine.\n"
        "What to do: See the close and error codes of docs/protocol.md."
    )


def test_a_live_one_is_live() -> None:
    """Also where it has ended at the worker that had it before, and that was told later."""
    before = account("one", CONNECTED, happened(900, "session ended", reason="superseded"))
    now = account("other", happened(800, "session resumed", attempt=1))
    assert "It is live, at worker other." == Story([before, now]).verdict()
    assert ["one", "other", "one"] == [line.split()[3] for line in Story([before, now]).lines()]


def test_the_last_end_counts() -> None:
    """Of several workers'."""
    first = account("one", happened(900, "session ended", reason="handed_over"))
    last = account("other", happened(5000, "session ended", reason="stop", why="It said stop."))
    assert Story([last, first]).verdict().startswith("Why it ended: It said stop.")


def test_a_killed_worker_is_named() -> None:
    """It took its memory along; whoever remembers the session knows that it had it last."""
    handed_over = account("one", happened(900, "session ended", reason="superseded"))
    gone = Story([handed_over], [Colleague("other")]).verdict()
    assert gone.startswith("Its worker other is gone")
    assert "`worker died`" in gone
    assert gone == Story([account("one")], [Colleague("other")]).verdict()
    silent = Story([account("one")], [Colleague("other", "http://far:9001")]).verdict()
    assert "Its worker other has the rest, and does not answer at http://far:9001." == silent


def test_nothing_is_nothing() -> None:
    """A worker may answer with no event at all."""
    assert "Nothing is remembered of it." == Story([account("one")]).verdict()
    assert [] == list(Story([account("one")]).lines())
