"""What happens to a session or an upload, told once: to the log, the journal, and whoever else listens.

Guarantees that each line names the session and what its request came with (`request_id`, `trace_id`), and that the
journal has every event whatever the log's level. No field ever holds text, a token or audio. Built by `app.py`, told
by the service and the transports; never for every chunk.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from earful.telemetry.journal import Event, Journal

if TYPE_CHECKING:
    from earful.telemetry.log_level import Level
    from earful.telemetry.logs import Logger

MOST_A_SECOND = 20
"""Lines of one second that tell what anybody can make happen."""

Sink = Callable[[str, Event], None]
"""Hears of each event, and of which session (empty before there is one)."""


class Events:
    """The one place of a worker where things that happen to sessions are told."""

    def __init__(self, log: Logger, journal: Journal | None = None, unix_s: Callable[[], float] = time.time) -> None:
        """Tell the log and the journal; `unix_s` is the time of day."""
        self.journal = journal or Journal(unix_s)
        self.sinks: list[Sink] = []
        """Who listens beside them; none may raise."""
        self.log = log
        self._unix_s = unix_s
        self._second = 0
        self._told = 0
        self._untold = 0

    def open(self, session_id: str, **context: str) -> None:
        """A session begins, or a connection that will go on with one: each of its lines will carry `context`."""
        self.journal.open(session_id, context)

    def rename(self, drawn_id: str, session_id: str, **context: str) -> None:
        """What was opened under `drawn_id` turns out to go on with this session; its lines carry `context` now."""
        self.journal.rename(drawn_id, session_id, context)

    def close(self, session_id: str) -> None:
        """The session has ended, and its end was told."""
        self.journal.close(session_id)

    def tell_text(self, session_id: str, text: str, **fields: Any) -> None:
        """Log what was spoken, where the operator has asked for it by name: to nobody else, and not in the journal."""
        self.log.debug("final", session=session_id, **self.journal.context_of(session_id), text=text, **fields)

    def tell(self, session_id: str, event: str, *, level: Level = "info", **fields: Any) -> None:
        """Tell what happened, as a fixed phrase with fields; `session_id` is empty before there is a session."""
        told = Event(int(self._unix_s() * 1000), event, fields)
        named = {"session": session_id, **self.journal.context_of(session_id)} if session_id else {}
        getattr(self.log, level)(event, **{**named, **fields})
        self.journal.note(session_id, told)
        for sink in self.sinks:
            sink(session_id, told)

    def tell_often(self, event: str, **fields: Any) -> None:
        """Tell what belongs to no session and may happen thousands of times a second, of which a line would be a load.

        At most `MOST_A_SECOND` are told; the next one says how many were `untold`.
        """
        second = int(self._unix_s())
        if second != self._second:
            self._second, self._told = second, 0
        if self._told >= MOST_A_SECOND:
            self._untold += 1
            return
        self._told += 1
        if self._untold:
            fields["untold"], self._untold = self._untold, 0
        self.tell("", event, **fields)
