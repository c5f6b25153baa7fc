"""Reads from a request's headers what its lines in the log and its traces are tied together by.

Whatever a client sends there, what comes out is short and plain. Both transports and the request-id middleware use it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from earful.service.origin import Origin
from earful.telemetry.traceparent import traceparent_of
from earful.transport.answers import request_id_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from earful.transport.upgrade import Header

_ADDRESS = re.compile(r"[0-9A-Fa-f.:%\[\]]{2,64}")
"""What an address is made of, maybe with a port; a proxy that is trusted hands on whatever its client says it is."""


def origin_of(headers: Iterable[Header], peer: str, transport: str) -> Origin:
    """Where a request with these headers (names in lower case) comes from; an id it does not bring is drawn."""
    found: dict[bytes, list[str]] = {b"x-request-id": [], b"traceparent": []}
    for name, value in headers:
        if name in found:
            found[name].append(value.decode("latin-1").strip())
    request_id = request_id_of(next(iter(found[b"x-request-id"]), None))
    parent = traceparent_of(found[b"traceparent"])
    return Origin(peer if _ADDRESS.fullmatch(peer) else "", transport, request_id, parent)
