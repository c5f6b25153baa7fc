"""Where a session or an upload comes from, as its request says: what ties its lines and traces together.

Made by the transports (`transport/origin.py`), carried by the service.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Origin:
    """One request. Every field is sane already: short, and of plain characters."""

    peer: str = ""
    """The client's address, behind proxies that are trusted; empty where it is not known."""
    transport: str = ""
    request_id: str = ""
    """The client's own, or drawn."""
    trace_id: str = ""
    """32 hex digits: the client's trace, or a new one."""
    traceparent: str = ""
    """The W3C header as it came; empty where there was none that is sane."""


NOWHERE = Origin()
"""Of a session that came with no request."""
