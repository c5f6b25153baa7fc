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
    again = happened(790, "session connected", resuming=True)
    now = account("other", again, happened(800, "session resumed", attempt=1))
    assert "It is live, at worker other." == Story([before, now]).verdict()
    assert ["one", "other", "other", "one"] == [line.split()[3] for line in Story([before, now]).lines()]


def test_the_last_end_counts() -> None:
    """Of several workers'."""
    first = account("one", happened(900, "session ended", reason="handed_over"))
    last = account("other", happened(5000, "session ended", reason="stop", why="It said stop."))
    assert Story([last, first]).verdict().startswith("Why it ended: It said stop.")


def test_something_told_after_an_end_leaves_it_one() -> None:
    """The model may answer late; a connection that came after it is another matter."""
    ended = happened(900, "session ended", reason="stop")
    late = happened(950, "model failed", error="ValueError")
    again = happened(990, "session connected", resuming=True)
    assert Story([account("one", CONNECTED, ended, late)]).verdict().startswith("Why it ended")
    assert "It is live, at worker one." == Story([account("one", CONNECTED, ended, again)]).verdict()


def test_a_worker_that_has_ended_is_named() -> None:
    """It took its memory along, and nobody knows how it ended; whoever remembers the session knows that it had it."""
    handed_over = account("one", happened(900, "session ended", reason="superseded"))
    gone = Story([handed_over], [Colleague("other")]).verdict()
    assert gone.startswith("Its worker other has ended since, and its memory with it: it was replaced or shut down")
    assert "`worker died`" in gone
    assert gone == Story([account("one")], [Colleague("other")]).verdict()


def test_a_worker_that_lives_and_did_not_tell_is_not_called_dead() -> None:
    """Whether it has an address of its own or not."""
    silent = Story([account("one")], [Colleague("other", "http://far:9001", lives=True)]).verdict()
    assert "Its worker other has the rest, and does not answer at http://far:9001." == silent
    hidden = Story([account("one")], [Colleague("other", lives=True)]).verdict()
    assert hidden.startswith("Its worker other has the rest, and did not answer: it has no operations listener")


def resumed(after_ms: int, audio_ms: int) -> tuple[Happening, Happening]:
    """A connection that goes on from there, and that."""
    again = happened(after_ms, "session connected", resuming=True)
    return again, happened(after_ms + 10, "session resumed", attempt=2, audio_ms=audio_ms)


def test_a_part_that_nobody_remembers_is_told() -> None:
    """Where it lies, and why; whether the session is live or has ended."""
    events = resumed(0, 3900)
    lines = list(Story([account("one", *events)]).lines())
    assert ["A client", "Of what", "The client"] == [" ".join(line[27:].split()[:2]) for line in lines]
    live, missing = Story([account("one", *events)]).verdict().splitlines()
    assert "It is live, at worker one." == live
    assert missing.startswith("What is missing: what was before the client's try 2, up to 3900 ms into the audio.")
    ended = Story([account("one", *events, happened(900, "session ended", reason="stop"))]).verdict().splitlines()
    assert missing == ended[-1]


def test_a_worker_between_two_is_missed() -> None:
    """Where the session goes on from later than the one before had come."""
    begun = account("one", CONNECTED, happened(5, "session ended", reason="connection_lost", audio_ms=1000))
    for at_ms, is_whole in ((1000, True), (1001, False)):
        story = Story([begun, account("three", *resumed(50, at_ms))])
        assert is_whole == ("What is missing" not in story.verdict())
        assert is_whole == (4 == len(list(story.lines())))


def test_nothing_is_missing_where_the_older_connection_ends_later() -> None:
    """How far it came is told at its end alone."""
    begun = account("one", CONNECTED, happened(900, "session ended", reason="superseded", audio_ms=5000))
    assert "What is missing" not in Story([begun, account("two", *resumed(50, 4000))]).verdict()


def test_an_upload_is_told_as_one() -> None:
    """Under way, answered with its text, answered with an error."""
    began = happened(0, "upload started", peer="10.0.0.7")
    under_way = Story([account("one", began)])
    assert ("Upload", "It is live, at worker one.") == (under_way.kind, under_way.verdict())
    fields = {"why": "It was transcribed.", "audio_ms": 900, "finals": 1}
    assert Story([account("one", began, happened(9, "upload ended", **fields))]).verdict() == (
        "It had 900 ms of audio in 1 utterance.\nWhy it ended: It was transcribed.\nWhat to do: Nothing needs doing."
    )
    refused = happened(9, "upload ended", code="not_audio", why="The body is not audio that can be read.")
    assert Story([account("one", began, refused)]).verdict() == (
        "Why it ended: The body is not audio that can be read.\n"
        "What to do: Have the client send a recording, as it would be played."
    )


def test_nothing_is_nothing() -> None:
    """A worker may answer with no event at all."""
    assert "Nothing is remembered of it any more." == Story([account("one")]).verdict()
    assert ("Session", []) == (Story([account("one")]).kind, list(Story([account("one")]).lines()))
