"""Where a session or an upload comes from, as its request says: what ties its lines and traces together.

Made by the transports (`transport/origin.py`), carried by the service.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from earful.telemetry.traceparent import trace_id_of

if TYPE_CHECKING:
    from earful.telemetry.traceparent import TraceParent


@dataclass(frozen=True, slots=True)
class Origin:
    """One request. Every field is sane already: short, and of plain characters."""

    peer: str = ""
    """The client's address, behind proxies that are trusted; empty where it is not known."""
    transport: str = ""
    request_id: str = ""
    """The client's own, or drawn."""
    parent: TraceParent | None = None
    """The client's span, which its `traceparent` names; None where it sent none that is sane."""

    def context(self, session_id: str) -> dict[str, str]:
        """What each line of this session or upload carries: whose request it was, and in which trace.

        That is the client's trace, or the one that all connections of the session share.
        """
        trace_id = trace_id_of(session_id) if self.parent is None else self.parent.trace_id
        return {"request_id": self.request_id, "trace_id": trace_id}


NOWHERE = Origin()
"""Of a session that came with no request."""
