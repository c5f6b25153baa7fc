"""Where an upgraded WebSocket waits whose upgrade left it open who comes: until its `start` has brought a token.

Guarantees that nothing is heard of it before, and that it ends within `handshake_timeout_s` where none comes, sooner
where only pings do. Then it hands everything on to the session. Both transports let in through `welcome`.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from earful.errors import CloseCode, EarfulError, ErrorCode
from earful.protocol.codec import decode
from earful.protocol.messages import Start
from earful.service.account import tell_refusal
from earful.transport.answers import late_refusal

if TYPE_CHECKING:
    from earful.service.admission import Admission, Caller, Entrance
    from earful.service.origin import Origin
    from earful.service.wire import Door, Talk, Wire

MOST_SIGNS = 10
"""Pings, pongs and parts of a message that may come first: they cost as much as what a session has a rate for."""
MOST_BEHIND = 1000
"""And how many with those behind our close: whoever goes on longer does not look for it, and is dropped."""
SAY_WHO = "The first message must be `start` with a valid token."
_TOO_LATE = "No `start` with a token came in time."


def welcome(door: Door, session_id: str, wire: Wire, origin: Origin, admission: Admission, caller: Caller) -> Talk:
    """What goes on over an upgraded wire: a session, or the wait for who it is."""
    entrance = door.entrance
    if entrance is not None and admission.is_open:
        return Vestibule(door, entrance, session_id, wire, origin, caller)
    return door.connect(session_id, wire, origin, admission)


class Vestibule:
    """A `Talk`, before and around that of the session."""

    def __init__(
        self, door: Door, entrance: Entrance, session_id: str, wire: Wire, origin: Origin, caller: Caller
    ) -> None:
        """Wait for `start`, in the slot of this id."""
        self._door = door
        self._entrance = entrance
        self._session_id = session_id
        self._wire = wire
        self._origin = origin
        self._caller = caller
        self._talk: Talk | None = None
        self._is_over = False
        self._signs = 0
        self._asking: asyncio.Task[None] | None = None
        self._late = asyncio.get_running_loop().call_later(
            entrance.within_s, self._turn_away, ErrorCode.UNAUTHORIZED, _TOO_LATE
        )
        entrance.on_close.add(self._drain)

    def message(self, text: bytes | str) -> None:
        """A text frame came."""
        if self._talk is not None:
            self._talk.message(text)
        elif self._asking is None and not self._is_over:
            self._hear_first(text)

    def audio(self, data: bytes) -> None:
        """A binary frame came; before `start` nobody hears it."""
        if self._talk is not None:
            self._talk.audio(data)
        elif self._asking is None:
            self._turn_away(ErrorCode.UNAUTHORIZED, SAY_WHO)

    def pinged(self) -> None:
        """A ping came."""
        if self._talk is not None:
            self._talk.pinged()
        else:
            self._count_sign()

    def ponged(self) -> None:
        """A pong came."""
        if self._talk is not None:
            self._talk.ponged()
        else:
            self._count_sign()

    def writable(self) -> None:
        """The peer took everything that was queued."""
        if self._talk is not None:
            self._talk.writable()

    def lost(self, reason: str, close_code: int = CloseCode.ABNORMAL, peer_code: int | None = None) -> None:
        """The socket is gone: nobody waits for the answer."""
        self._end()
        if self._talk is not None:
            self._talk.lost(reason, close_code, peer_code)
        elif self._asking is not None:
            self._asking.cancel()

    def _count_sign(self) -> None:
        """Something came that says nothing."""
        self._signs += 1
        if self._signs > MOST_SIGNS:
            self._turn_away(ErrorCode.UNAUTHORIZED, SAY_WHO)
        if self._is_over and self._signs > MOST_BEHIND:
            self._wire.abort()

    def _hear_first(self, text: bytes | str) -> None:
        try:
            message = decode(text)
        except EarfulError:
            message = None
        if not isinstance(message, Start) or not message.token:
            self._turn_away(ErrorCode.UNAUTHORIZED, SAY_WHO)
            return
        self._late.cancel()  # The entrance has a deadline of its own.
        self._wire.pause_reading()
        caller = replace(self._caller, token=message.token)
        self._asking = asyncio.get_running_loop().create_task(self._ask(caller, text), name="admission by token")

    async def _ask(self, caller: Caller, start: bytes | str) -> None:
        try:
            admission = await self._entrance.ask(caller)
            if self._is_over:
                return
            self._door.decide(self._session_id, admission)
        except EarfulError as refused:
            self._close(refused)
            return
        self._end()
        self._talk = self._door.connect(self._session_id, self._wire, self._origin, admission)
        self._wire.resume_reading()  # First: the session may want to pause at once.
        self._talk.message(start)

    def _drain(self) -> None:
        self._turn_away(ErrorCode.DRAINING)

    def _turn_away(self, code: ErrorCode, text: str | None = None) -> None:
        """Refuse whom nobody was asked about; one about whom somebody is being asked gets its answer from there."""
        if self._asking is None and not self._is_over:
            refused = EarfulError(code, text)
            self._entrance.count(refused)
            self._close(refused)

    def _close(self, refused: EarfulError) -> None:
        """Say why, and close."""
        if self._is_over:
            return
        self._end()
        tell_refusal(self._door.events, self._origin, refused)
        told, code = late_refusal(refused)
        self._wire.send(told)
        self._wire.close(code, refused.code.value)

    def _end(self) -> None:
        """Nobody waits here any more."""
        self._is_over = True
        self._late.cancel()
        self._entrance.on_close.discard(self._drain)
