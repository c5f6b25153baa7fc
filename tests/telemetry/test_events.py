"""Events: told once, to log, journal and sinks, and tied to their request."""

from __future__ import annotations

from tests.support.inside import Record

from earful.telemetry.events import Events
from earful.telemetry.journal import Event


def test_an_event_reaches_log_journal_and_sinks() -> None:
    """The log's line carries the session's context; the journal's event has only what is its own."""
    log, heard = Record(), list[tuple[str, Event]]()
    events = Events(log, unix_s=lambda: 12.3456)
    events.sinks.append(lambda session_id, event: heard.append((session_id, event)))
    events.open("s", request_id="r", trace_id="t")
    events.tell("s", "session held", level="warning", held_ms=3)
    told = Event(12345, "session held", {"held_ms": 3})
    assert [
        {
            "level": "warning",
            "event": "session held",
            "session": "s",
            "request_id": "r",
            "trace_id": "t",
            "held_ms": 3,
        }
    ] == log.events
    assert (told,) == events.journal.events_of("s")
    assert [("s", told)] == heard


def test_before_there_is_a_session_none_is_named() -> None:
    """And nothing is kept of it."""
    log = Record()
    events = Events(log)
    events.tell("", "session refused", peer="p")
    assert [{"level": "info", "event": "session refused", "peer": "p"}] == log.events
    assert () == events.journal.events_of("")


def test_a_line_after_the_end_still_names_its_request() -> None:
    """A model may fail late."""
    log = Record()
    events = Events(log)
    events.open("s", request_id="r")
    events.close("s")
    events.tell("s", "model failed")
    assert "r" == log.events[0]["request_id"]


def test_who_goes_on_with_a_session_is_told_under_its_name() -> None:
    """With the newer request, and in the session's trace."""
    log = Record()
    events = Events(log)
    events.open("drawn", request_id="r2", trace_id="t2")
    events.rename("drawn", "s", request_id="r2", trace_id="t")
    events.tell("s", "session resumed")
    assert ("s", "r2", "t") == tuple(log.events[0][name] for name in ("session", "request_id", "trace_id"))


def test_text_goes_to_the_log_alone() -> None:
    """On a debug line; journal and sinks never have any."""
    log, heard = Record(), list[str]()
    events = Events(log)
    events.sinks.append(lambda _, event: heard.append(event.name))
    events.open("s", request_id="r")
    events.tell_text("s", "what was said", index=4)
    assert [
        {"level": "debug", "event": "final", "session": "s", "request_id": "r", "text": "what was said", "index": 4}
    ] == log.events
    assert ((), []) == (events.journal.events_of("s"), heard)


def test_what_may_happen_very_often_is_told_some_times() -> None:
    """Twenty times a second; then the next line says how many were left out."""
    log, now = Record(), [100.0]
    events = Events(log, unix_s=lambda: now[0])
    for _ in range(25):
        events.tell_often("session refused", peer="p")
    assert 20 == len(log.events)
    now[0] += 1
    for _ in range(2):
        events.tell_often("session refused", peer="q")
    assert [5, None] == [line.get("untold") for line in log.events[20:]]
