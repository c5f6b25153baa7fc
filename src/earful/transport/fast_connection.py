"""One WebSocket of the fast transport: straight from the socket to a `Connection`, and back.

uvicorn hands the upgrade request over and sets it as the socket's protocol; from then on a frame is one callback,
without a task, a queue or a timer. Whoever closes, it ends in bounded time: closing ones are swept.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final, cast

from earful.errors import CloseCode
from earful.transport.answers import FAULT_REASONS
from earful.transport.frames import NO_CODE, FrameReader, Message, Opcode, close_payload, frame
from earful.transport.handshake import Handshake
from earful.transport.upgrade import parse

if TYPE_CHECKING:
    from uvicorn import Config
    from uvicorn.server import ServerState

    from earful.service.wire import Talk
    from earful.transport.fast import FastTransport

DISCARD_EVERY_S = 0.005
"""How often a connection that is closed already is read, so that a flood behind the close costs others nothing."""
SHUTDOWN_S = 0.3
"""How long a server that ends waits for peers to answer its close."""
_TEXT, _BINARY, _CLOSE = int(Opcode.TEXT), int(Opcode.BINARY), int(Opcode.CLOSE)
_PING, _PONG = int(Opcode.PING), int(Opcode.PONG)
_write: Final = os.write


class FastConnection:
    """One socket, from the upgrade request to its end; the `Wire` of a `Connection` in between.

    An `asyncio.Protocol` in all but name: a class without a foreign base can be compiled.
    """

    __slots__ = (
        "_config",
        "_connection",
        "_fd",
        "_handshake",
        "_is_clogged",
        "_is_closing",
        "_is_held",
        "_pong",
        "_reader",
        "_server_state",
        "_shared",
        "_turn",
        "_waiting",
        "slot",
        "transport",
    )

    def __init__(self, shared: FastTransport, config: Config, server_state: ServerState) -> None:
        """Wait for the upgrade request."""
        self._shared = shared
        self._config = config
        self._server_state = server_state
        self.slot = ExitStack()
        """What is given back when the socket is gone."""
        self._reader = FrameReader(shared.max_message_bytes)
        self._connection: Talk | None = None
        self._is_clogged = False
        self._is_closing = False
        self._is_held = False
        self._pong: bytes | None = None
        self._fd = -1
        self._handshake: Handshake | None = None
        self._turn: asyncio.Handle | None = None
        self._waiting: list[Message] = []

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Uvicorn gives us the socket."""
        self.transport = cast("asyncio.Transport", transport)
        self._server_state.connections.add(cast("Any", self))
        # So pause_writing and resume_writing say when the kernel takes no more, and all of it again. Plain transports
        # pause above the limit, TLS at it: there zero would pause with nothing unsent, at every other write.
        if transport.get_extra_info("ssl_object") is None:
            self._fd = transport.get_extra_info("socket").fileno()
            self.transport.set_write_buffer_limits(high=0)
        else:
            self.transport.set_write_buffer_limits(high=1, low=0)

    def data_received(self, data: bytes) -> None:
        """First the request's head, whole, from uvicorn; then the peer's frames."""
        connection = self._connection
        if connection is None:
            if self._is_closing:
                self._look_for_close(data)
            elif self._handshake is not None:
                self._handshake.keep(data)
            else:
                self._shake_hands(data)
            return
        text = None if self._waiting or self._is_held else self._reader.whole_text(data)
        if text is not None:
            connection.message(text)
        else:
            self._hear(connection, self._waiting + self._reader.feed(data))
        if self._is_closing:
            self._take_turns()

    def eof_received(self) -> None:
        """The peer sends nothing more: the transport closes itself."""

    def pause_writing(self) -> None:
        """The kernel takes no more; `unsent_bytes` says how much waits."""
        self._is_clogged = True

    def resume_writing(self) -> None:
        """The kernel took everything."""
        self._is_clogged = False
        pong, self._pong = self._pong, None
        if self._is_closing:
            return
        if pong is not None:
            self._write(frame(_PONG, pong))
        if self._connection is not None and not self._is_clogged:  # The pong may have been too much again.
            self._connection.writable()

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone, whoever ended it."""
        del exc
        self._fd = -1
        self._is_closing = True
        self._server_state.connections.discard(cast("Any", self))
        self._shared.farewells.discard(self)
        try:
            if self._connection is not None:
                self._connection.lost("connection_lost")
        finally:
            self._let_go()

    def _let_go(self) -> None:
        """Give everything back: the place, and what knows this as well, which only the collector would free."""
        self._connection = None
        if self._handshake is not None:
            self._handshake.give_up()
            self._handshake = None
        if self._turn is not None:
            self._turn.cancel()
        self.slot.close()

    def shutdown(self) -> None:
        """Uvicorn ends: what a drain left open is closed, and waited for no longer than uvicorn itself waits."""
        if self._handshake is None:
            self.close(CloseCode.RESTART, "")
        asyncio.get_running_loop().call_later(SHUTDOWN_S, self.abort)

    # What the `Handshake` calls.

    def _shake_hands(self, head: bytes) -> None:
        shared, state = self._shared, self._server_state
        self._handshake = Handshake(self, shared.registry, self._config, state.default_headers, parse(head))
        self._handshake.begin()

    def upgrade(self, answer: bytes) -> None:
        """Say that this is a WebSocket from now on."""
        self._handshake = None
        self.transport.write(answer)
        # The transport still tells the protocol before us: what waits behind an earlier answer we must see ourselves.
        self._is_clogged = self.transport.get_write_buffer_size() > 0

    def talk(self, connection: Talk) -> None:
        """Tell `connection` what comes from now on."""
        self._connection = connection

    def hear_early(self, data: bytes) -> None:
        """Hear what came before the answer; until now nothing was read behind it."""
        self._read_on()
        if not self.transport.is_closing():
            self.data_received(data)

    def refuse(self, answer: bytes) -> None:
        """Answer as HTTP and end the connection."""
        self._handshake = None
        self._is_closing = True
        self.transport.write(answer)
        self.transport.close()
        self._shared.farewells.add(self)

    # What the `Connection` calls: the `Wire`.

    @property
    def unsent_bytes(self) -> int:
        """What the kernel has not taken."""
        return self.transport.get_write_buffer_size() if self._is_clogged or self._fd < 0 else 0

    def send(self, text: bytes) -> None:
        """Send one text message, or queue it where the kernel takes no more."""
        if not self._is_closing:
            self._write(frame(_TEXT, text))

    def close(self, code: int, reason: str) -> None:
        """Send a close frame after everything queued; then wait for the peer's, but not for long."""
        if not self._is_closing:
            self._is_closing = True
            self._write(frame(_CLOSE, close_payload(code, reason)))
            # The peer's close frame is behind what it has sent; closing before it would reset the connection.
            self.resume_reading()
            self._shared.farewells.add(self)

    def abort(self) -> None:
        """Drop the connection and what is unsent."""
        self._is_closing = True
        self.transport.abort()

    def ping(self) -> None:
        """Ask for a sign of life."""
        if not self._is_closing:
            self._write(frame(_PING, b""))

    def pause_reading(self) -> None:
        """Read no more; what was read already waits."""
        self._is_held = True
        self.transport.pause_reading()

    def resume_reading(self) -> None:
        """Read again, first what was read already."""
        self._is_held = False
        if self._is_behind:
            self._take_turns()
        else:
            self.transport.resume_reading()

    @property
    def _is_behind(self) -> bool:
        """Whether there is something to hear without reading more."""
        return bool(self._waiting) or self._reader.is_behind

    def _hear(self, connection: Talk, messages: list[Message]) -> None:
        """Hand on what came, until the `Connection` wants no more of it for now."""
        for _ in range(self._reader.parts):
            connection.ponged()  # A sign of life that counts as a message.
        if self._is_held and messages:
            self._waiting = messages
            return
        self._waiting = []
        for number, (opcode, payload) in enumerate(messages, 1):
            if opcode == _TEXT:
                connection.message(payload)
            elif opcode == _BINARY:
                connection.audio(payload)
            else:
                self._receive_control(connection, opcode, payload)
            if self._is_held and number < len(messages):
                self._waiting = messages[number:]
                return
        if self._reader.fault is not None:
            if not self._is_closing:
                self._fail(connection, self._reader.fault)
        elif self._reader.is_behind:
            self._take_turns()

    def _look_for_close(self, data: bytes) -> None:
        """Who was refused after the upgrade is waited for until its close, or until it says too much else."""
        if any(opcode == _CLOSE for opcode, _ in self._reader.feed(data)):
            self._hang_up()
        elif self._reader.is_behind:
            self.abort()
        else:
            self._take_turns()

    def _take_turns(self) -> None:
        """Let others have the loop before more is heard, of what was read or else of the socket.

        Behind our close only the peer's own is looked for: a flood of anything else gets rare turns.
        """
        self.transport.pause_reading()
        if self._turn is None:
            loop = asyncio.get_running_loop()
            turn = self._go_on
            self._turn = loop.call_later(DISCARD_EVERY_S, turn) if self._is_closing else loop.call_soon(turn)

    def _go_on(self) -> None:
        """Have a turn, unless held meanwhile: then it comes with the release."""
        self._turn = None
        if self._is_behind and not self._is_held:
            self.data_received(b"")
        self._read_on()

    def _read_on(self) -> None:
        if self._turn is None and not self._is_held and not self.transport.is_closing():
            self.transport.resume_reading()

    def _write(self, data: bytes) -> None:
        """Give the kernel what it takes at once, without the loop's detour; the transport minds the rest."""
        if self.transport.is_closing():
            return
        if self._fd >= 0 and not self._is_clogged:
            try:
                sent = _write(self._fd, data)
            except OSError:
                # Full, or gone: the transport finds out which, and tells us.
                sent = 0
            if sent == len(data):
                return
            data = data[sent:]
        self.transport.write(data)

    def _receive_control(self, connection: Talk, opcode: int, payload: bytes) -> None:
        if opcode == _PING:
            connection.pinged()
            if self.unsent_bytes:
                # Pings without end from a peer that does not read must not pile up answers: the newest is enough.
                self._pong = payload
            elif not self._is_closing:
                self._write(frame(_PONG, payload))
        elif opcode == _PONG:
            connection.ponged()
        else:
            if not self._is_closing:
                self._is_closing = True
                self._write(frame(_CLOSE, payload[:2]))
                self._shared.farewells.add(self)
                code = int.from_bytes(payload[:2], "big") if payload else NO_CODE
                connection.lost("peer_closed", code, code)
            self._hang_up()

    def _hang_up(self) -> None:
        if not self.transport.is_closing():  # Closed twice, a TLS transport of asyncio's breaks at the next call.
            self.transport.close()

    def _fail(self, connection: Talk, fault: CloseCode) -> None:
        """Say what was wrong, and nothing more; what still comes is discarded until the peer ends.

        Closing at once would be a reset where it is still sending, and that overtakes the close frame. TLS
        cannot be half closed: there the peer's own close, or the farewell's end, is waited for.
        """
        self.close(fault, "")
        connection.lost(FAULT_REASONS[fault], fault)
        if self.transport.can_write_eof():
            self.transport.write_eof()
