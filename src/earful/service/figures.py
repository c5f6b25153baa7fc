"""What may be told of a live session to whoever lists or inspects it: figures, never any of its text.

The way it is told to the store too, so that any worker can show the sessions of all. Used by `presence.py` and
`roster.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from earful.service.connection import Connection

Figures = dict[str, Any]
"""JSON values by name: those of `schemas.SessionView`."""


def figures_of(connection: Connection, now: float) -> Figures:
    """A session at `now`, in seconds of its own clock."""
    session = connection.session
    numbers = session.numbers.as_dict()
    return {
        "session_id": session.info.session_id,
        "state": session.state.value,
        "attempt": session.attempt,
        "tenant": session.opening.tenant or None,
        "duration_s": round(now - session.began_at, 3),
        "encoding": session.format.encoding.value,
        "sample_rate": session.format.sample_rate,
        "channels": session.format.channels,
        "buffered_ms": session.backlog_ms,
        "unsent_bytes": connection.unsent_bytes,
        "lag_ms": round(connection.lag_s * 1000),
        **numbers,
        "model_s": round(numbers["model_s"], 3),
    }
