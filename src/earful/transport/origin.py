"""Reads from a request's headers what its lines in the log and its traces are tied together by.

Whatever a client sends there, what comes out is short and plain. Both transports and the request-id middleware use it.
"""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING

from earful.service.origin import Origin
from earful.transport.answers import request_id_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from earful.transport.upgrade import Header

_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
"""W3C Trace Context, section 3.2: version, trace, parent, flags. What a later version adds behind them is not read."""
_ADDRESS = re.compile(r"[0-9A-Fa-f.:%\[\]]{2,64}")
"""What an address is made of, maybe with a port; a proxy that is trusted hands on whatever its client says it is."""


def origin_of(headers: Iterable[Header], peer: str, transport: str) -> Origin:
    """Where a request with these headers (names in lower case) comes from; ids it does not bring are drawn."""
    found = {b"x-request-id": [""], b"traceparent": [""]}
    for name, value in headers:
        if name in found:
            found[name].append(value.decode("latin-1").strip())
    traceparent, trace_id = _trace_of(found[b"traceparent"][1:])
    request_id = request_id_of(next(iter(found[b"x-request-id"][1:]), None))
    return Origin(peer if _ADDRESS.fullmatch(peer) else "", transport, request_id, trace_id, traceparent)


def _trace_of(given: list[str]) -> tuple[str, str]:
    """The header where it is sane, and its trace; else a new one. Of two headers neither counts."""
    found = _TRACEPARENT.match(given[0]) if len(given) == 1 else None
    if found is None or not _is_whole(given[0], found):
        return "", secrets.token_hex(16)
    return found.group(), found.group(1)


def _is_whole(given: str, found: re.Match[str]) -> bool:
    """Whether nothing follows, or what may follow in a later version."""
    rest = given[found.end() :]
    return not rest or (rest.startswith("-") and not given.startswith("00"))
