"""The fast transport's upgrade: one request, admitted or refused, and the answer that says so.

A `FastConnection` makes one of the request it is given. Refusals are HTTP, or a close for browsers that ask for one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from earful.errors import CloseCode, EarfulError, ErrorCode
from earful.protocol.codec import encode
from earful.protocol.messages import error
from earful.transport.answers import SUBPROTOCOL, UNFIT, retry_after_s, upgrade_refusal
from earful.transport.peer import peer_of
from earful.transport.upgrade import PATH, granted

if TYPE_CHECKING:
    from http import HTTPStatus

    from uvicorn import Config

    from earful.service.wire import Door
    from earful.transport.fast import FastConnection
    from earful.transport.upgrade import Header, UpgradeRequest


class Handshake:
    """One upgrade on its way to an answer."""

    def __init__(
        self,
        connection: FastConnection,
        door: Door,
        config: Config,
        server_headers: list[Header],
        request: UpgradeRequest,
    ) -> None:
        """`server_headers` are uvicorn's own, for every answer."""
        self._connection = connection
        self._door = door
        self._config = config
        self._server_headers = server_headers
        self._request = request

    def begin(self) -> None:
        """Admit or refuse, and say so."""
        request = self._request
        if request.path not in {PATH, self._config.root_path + PATH}:
            self._refuse(EarfulError(ErrorCode.NOT_FOUND))
            return
        fault = request.fault()
        if fault is not None:
            self._refuse(EarfulError(ErrorCode.BAD_REQUEST, UNFIT), fault)
            return
        try:
            self._admit()
        except EarfulError as refused:
            self._turn_away(refused)

    def _admit(self) -> None:
        """Take a place, say so, and begin to talk; raises EarfulError where there is none."""
        connection, request = self._connection, self._request
        resuming = request.query.get("resume") == ["1"]
        session_id = connection.slot.enter_context(self._door.slot(resuming=resuming))
        connection.upgrade(self._granted([(b"x-session-id", session_id.encode())]))
        peer = peer_of(connection.transport.get_extra_info("peername"), request.headers, self._config)
        connection.talk(self._door.connect(session_id, connection, peer))

    def _granted(self, headers: list[Header]) -> bytes:
        offered = SUBPROTOCOL in self._request.values(b"sec-websocket-protocol")
        chosen = [(b"sec-websocket-protocol", SUBPROTOCOL.encode())] if offered else []
        return granted(self._request, [*chosen, *self._server_headers, *headers])

    def _turn_away(self, refused: EarfulError) -> None:
        """Refuse, for browsers, which see no status, after the upgrade."""
        if self._request.query.get("refuse") != ["close"]:
            self._refuse(refused)
            return
        self._connection.upgrade(self._granted([]))
        told = error(refused.code, text=refused.text, fatal=True, retry_after_ms=retry_after_s() * 1000)
        self._connection.send(encode(told))
        self._connection.close(CloseCode.TRY_LATER, refused.code.value)

    def _refuse(self, refused: EarfulError, status: HTTPStatus | None = None) -> None:
        """Answer as HTTP, with the error's own status unless another is given."""
        self._connection.refuse(upgrade_refusal(self._request, refused, self._server_headers, status))
