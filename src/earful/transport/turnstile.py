"""The first look at a connection while most are refused: those end here, for next to nothing.

Guarantees the answer that the transport would give, at a third of its cost: neither uvicorn's parser nor a WebSocket is
made. Whatever is not plainly an upgrade for a session, a new one or one to be resumed, goes on to HTTP as if nothing
had been. The `Acceptor` and each `Passage` ask it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from earful.errors import EarfulError
from earful.service.account import tell_refusal
from earful.service.admission import Caller
from earful.transport.answers import upgrade_refusal
from earful.transport.origin import origin_of
from earful.transport.peer import peer_of
from earful.transport.upgrade import PATH, VERSION, is_key
from earful.transport.uvicorn_http import MAX_HEADER_BYTES

if TYPE_CHECKING:
    from uvicorn import Config
    from uvicorn.server import ServerState

    from earful.service.wire import Door
    from earful.transport.upgrade import Header

_RESUMING = {b"GET %b%b HTTP/1.1\r\n" % (PATH.encode(), query): bool(query) for query in (b"", b"?resume=1")}
"""By the first line, whether it is to resume one. With another query, `refuse=close` say, it is looked at closely."""
_FIELDS = re.compile(rb"(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t -~]*\r\n)+\r\n")
"""All of the header to its end, nothing of it folded, nothing but text: RFC 9110, section 5."""
_END_BYTES = 4


def newcomer(data: bytes) -> tuple[list[Header], bool] | None:
    """The headers of `data`, where it is an upgrade without a fault, alone and whole, and if it is to resume; pure.

    One that has a header twice, or more than HTTP takes, is left to HTTP: what is plain is read in one way only.
    """
    begin = data.find(b"\n") + 1
    is_resuming = _RESUMING.get(data[:begin])
    if is_resuming is None or len(data) > MAX_HEADER_BYTES or not _FIELDS.fullmatch(data, begin):
        return None
    pairs = [line.partition(b":") for line in data[begin:-_END_BYTES].split(b"\r\n")]
    headers = [(name.lower(), value.strip()) for name, _, value in pairs]
    fields = dict(headers)
    is_upgrade = (
        len(fields) == len(headers)
        and fields.get(b"upgrade", b"").lower() == b"websocket"
        and b"upgrade" in [token.strip() for token in fields.get(b"connection", b"").lower().split(b",")]
        and fields.get(b"sec-websocket-version") == VERSION.encode()
        and is_key(fields.get(b"sec-websocket-key", b""))
        and b"content-length" not in fields
        and b"transfer-encoding" not in fields
    )
    return (headers, is_resuming) if is_upgrade else None


class Turnstile:
    """Of one worker."""

    def __init__(self, door: Door, config: Config, server_state: ServerState, transport: str) -> None:
        """Judge by `door`, for this `transport`; `server_state` has uvicorn's headers for every answer."""
        self._door = door
        self._transport = transport
        self._config = config
        self._server_state = server_state

    @property
    def is_shut(self) -> bool:
        """Whether it pays to look: most who are new have no place, or somebody was not let in a moment ago."""
        entrance = self._door.entrance
        return self._door.is_closed or (entrance is not None and entrance.is_tried)

    def refusal_of(self, data: bytes, peername: object) -> bytes | None:
        """The whole answer, where `data` is an upgrade that is refused, counted and told; None where it may not be."""
        found = newcomer(data)
        if found is None:
            return None
        headers, is_resuming = found
        peer = peer_of(peername, headers, self._config)
        entrance = self._door.entrance
        try:
            self._door.check(resuming=is_resuming)
            if entrance is not None:
                admission = entrance.check(Caller(PATH, headers, {"resume": ["1"]} if is_resuming else {}, peer))
                if admission is not None and not is_resuming:
                    self._door.check_tenant(admission)
        except EarfulError as refused:
            origin = origin_of(headers, peer, self._transport)
            tell_refusal(self._door.events, origin, refused)
            return upgrade_refusal(origin.request_id, refused, self._server_state.default_headers)
        return None
