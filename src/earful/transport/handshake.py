"""The fast transport's upgrade: one request, admitted or refused, and the answer that says so.

A `FastConnection` makes one of the request it is given, and keeps it until the answer. It comes at once, unless a
doorkeeper is to be asked: then in bounded time. Refusals are HTTP, or a close for browsers that ask for one.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from earful.errors import EarfulError, ErrorCode
from earful.service.account import tell_refusal
from earful.service.admission import ANYBODY, Admission, Caller
from earful.transport.answers import SUBPROTOCOL, UNFIT, late_refusal, upgrade_refusal
from earful.transport.origin import origin_of
from earful.transport.peer import peer_of
from earful.transport.upgrade import PATH, granted
from earful.transport.vestibule import welcome

if TYPE_CHECKING:
    from http import HTTPStatus

    from uvicorn import Config

    from earful.service.admission import Entrance
    from earful.service.wire import Door
    from earful.transport.fast_connection import FastConnection
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
        peer = peer_of(connection.transport.get_extra_info("peername"), request.headers, config)
        self._origin = origin_of(request.headers, peer, "fast")
        self._caller = Caller(request.path, request.headers, request.query, self._origin.peer)
        self._asking: asyncio.Task[None] | None = None
        self._early = b""

    def begin(self) -> None:
        """Admit or refuse, or ask first whom to admit."""
        request, entrance = self._request, self._door.entrance
        if request.path not in {PATH, self._config.root_path + PATH}:
            self._refuse(EarfulError(ErrorCode.NOT_FOUND))
        elif (fault := request.fault()) is not None:
            self._refuse(EarfulError(ErrorCode.BAD_REQUEST, UNFIT), fault)
        elif entrance is None:
            self._admit(ANYBODY)
        else:
            self._knock(entrance)

    def keep(self, data: bytes) -> None:
        """Keep for later what the peer sends before it has its answer; with this nothing more is read meanwhile."""
        self._early += data
        self._connection.transport.pause_reading()

    def give_up(self) -> None:
        """The peer has gone: nobody waits for the answer."""
        if self._asking is not None:
            self._asking.cancel()

    def _knock(self, entrance: Entrance) -> None:
        """Have it decided who this is, unless there is no place for anybody."""
        try:
            self._door.check(resuming=self._is_resuming)
            admission = entrance.ask_at_once(self._caller)
        except EarfulError as refused:
            self._turn_away(refused)
            return
        if admission is not None:
            self._admit(admission)
            return
        self._asking = asyncio.get_running_loop().create_task(self._ask(entrance), name="admission")

    @property
    def _is_resuming(self) -> bool:
        return self._request.query.get("resume") == ["1"]

    async def _ask(self, entrance: Entrance) -> None:
        connection = self._connection
        try:
            admission = await entrance.ask(self._caller)
        except EarfulError as refused:
            self._turn_away(refused)
        else:
            self._admit(admission)
        if self._early:
            connection.hear_early(self._early)

    def _admit(self, admission: Admission) -> None:
        """Take a place, say so, and begin to talk; where there is none, turn away."""
        connection = self._connection
        try:
            session_id = connection.slot.enter_context(self._door.slot(resuming=self._is_resuming, admission=admission))
        except EarfulError as refused:
            self._turn_away(refused)
            return
        connection.upgrade(
            self._granted([(b"x-session-id", session_id.encode()), (b"x-request-id", self._origin.request_id.encode())])
        )
        connection.talk(welcome(self._door, session_id, connection, self._origin, admission, self._caller))

    def _granted(self, headers: list[Header]) -> bytes:
        offered = SUBPROTOCOL in self._request.values(b"sec-websocket-protocol")
        chosen = [(b"sec-websocket-protocol", SUBPROTOCOL.encode())] if offered else []
        return granted(self._request, [*chosen, *self._server_headers, *headers])

    def _turn_away(self, refused: EarfulError) -> None:
        """Refuse, for browsers, which see no status, after the upgrade."""
        if self._request.query.get("refuse") != ["close"]:
            self._refuse(refused)
            return
        tell_refusal(self._door.events, self._origin, refused)
        self._connection.upgrade(self._granted([]))
        told, code = late_refusal(refused)
        self._connection.send(told)
        self._connection.close(code, refused.code.value)

    def _refuse(self, refused: EarfulError, status: HTTPStatus | None = None) -> None:
        """Answer as HTTP, with the error's own status unless another is given."""
        tell_refusal(self._door.events, self._origin, refused)
        answer = upgrade_refusal(self._origin.request_id, refused, self._server_headers, status)
        self._connection.refuse(answer)
