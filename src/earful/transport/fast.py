"""The fast transport: WebSockets straight from the socket to a `Connection`, on uvicorn's port and loop.

uvicorn parses HTTP and hands an upgrade over (`ws=`); from then on a frame is one callback, without a
task, a queue or a timer. Guarantees what the portable transport does; closing ones are swept.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final, cast

from earful.errors import CloseCode, EarfulError, ErrorCode
from earful.protocol.codec import encode
from earful.protocol.messages import error
from earful.transport.answers import FAULT_REASONS, SUBPROTOCOL, UNFIT, retry_after_s, upgrade_refusal
from earful.transport.farewell import Farewell
from earful.transport.frames import FrameReader, Message, Opcode, close_payload, frame
from earful.transport.peer import peer_of
from earful.transport.upgrade import Header, UpgradeRequest, granted, parse

if TYPE_CHECKING:
    from http import HTTPStatus

    from uvicorn import Config
    from uvicorn.server import ServerState

    from earful.service.wire import Door, Talk

PATH = "/v1/transcribe/stream"
DISCARD_EVERY_S = 0.005
"""How often a connection that is closed already is read, so that a flood behind the close costs others nothing."""
SHUTDOWN_S = 0.3
"""How long a server that ends waits for peers to answer its close."""
_TEXT, _BINARY, _CLOSE = int(Opcode.TEXT), int(Opcode.BINARY), int(Opcode.CLOSE)
_PING, _PONG = int(Opcode.PING), int(Opcode.PONG)
_write: Final = os.write


class FastTransport:
    """What all fast connections of a worker share: the registry, the bounds, and those that are closing."""

    def __init__(self, registry: Door, max_message_bytes: int) -> None:
        """Serve the sessions of `registry`."""
        self.registry = registry
        self.max_message_bytes = max_message_bytes
        self._farewells: dict[FastConnection, Farewell | None] = {}

    def protocol(self, config: Config, server_state: ServerState, app_state: dict[str, Any]) -> FastConnection:
        """Make the protocol of one connection; uvicorn calls this as its `ws=`."""
        del app_state
        return FastConnection(self, config, server_state)

    def watch(self, connection: FastConnection) -> None:
        """Abort this closing connection if it does not end in time."""
        self._farewells.setdefault(connection, None)

    def forget(self, connection: FastConnection) -> None:
        """This connection is gone."""
        self._farewells.pop(connection, None)

    def sweep(self, now: float) -> None:
        """Abort what has been closing for too long; the worker's one sweep calls this."""
        for connection, farewell in list(self._farewells.items()):
            if farewell is None:
                self._farewells[connection] = Farewell(now, connection.unsent_bytes)
            elif farewell.is_over(now, connection.unsent_bytes):
                connection.abort()


class FastConnection:
    """One socket, from the upgrade request to its end; the `Wire` of a `Connection` in between.

    An `asyncio.Protocol` in all but name: a class without a foreign base can be compiled.
    """

    __slots__ = (
        "_config",
        "_connection",
        "_fd",
        "_has_turn",
        "_is_clogged",
        "_is_closing",
        "_is_held",
        "_pong",
        "_reader",
        "_server_state",
        "_shared",
        "_slot",
        "_waiting",
        "transport",
    )

    def __init__(self, shared: FastTransport, config: Config, server_state: ServerState) -> None:
        """Wait for the upgrade request."""
        self._shared = shared
        self._config = config
        self._server_state = server_state
        self._slot = ExitStack()
        self._reader = FrameReader(shared.max_message_bytes)
        self._connection: Talk | None = None
        self._has_turn = False
        self._is_clogged = False
        self._is_closing = False
        self._is_held = False
        self._pong: bytes | None = None
        self._fd = -1
        self._waiting: list[Message] = []

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Uvicorn gives us the socket."""
        self.transport = cast("asyncio.Transport", transport)
        self._server_state.connections.add(cast("Any", self))
        if transport.get_extra_info("ssl_object") is None:
            self._fd = transport.get_extra_info("socket").fileno()
        # Zero makes pause_writing and resume_writing say when the kernel takes no more, and all of it again.
        self.transport.set_write_buffer_limits(high=0)

    def data_received(self, data: bytes) -> None:
        """First the request's head, whole, from uvicorn; then the peer's frames."""
        connection = self._connection
        if connection is None:
            if self._is_closing:
                self._look_for_close(data)
            else:
                self._shake_hands(parse(data))
            return
        text = None if self._waiting or self._is_held else self._reader.whole_text(data)
        if text is not None:
            connection.message(text)
        else:
            self._hear(connection, self._waiting + self._reader.feed(data))
        if self._is_closing:
            self._trickle()

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
        if self._connection is not None:
            self._connection.writable()

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone, whoever ended it."""
        del exc
        self._fd = -1
        self._is_closing = True
        self._server_state.connections.discard(cast("Any", self))
        self._shared.forget(self)
        if self._connection is not None:
            self._connection.lost("connection_lost")
            # Each knows the other: without this only the collector would free them.
            self._connection = None
        self._slot.close()

    def shutdown(self) -> None:
        """Uvicorn ends: what a drain left open is closed, and waited for no longer than uvicorn itself waits."""
        self.close(CloseCode.RESTART, "")
        asyncio.get_running_loop().call_later(SHUTDOWN_S, self.abort)

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
            self._shared.watch(self)

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
            self.transport.close()
        elif self._reader.is_behind:
            self.abort()
        else:
            self._trickle()

    def _trickle(self) -> None:
        """Behind our close only the peer's own is looked for: a flood of anything else is read no faster than this."""
        if not self._is_behind:
            self.transport.pause_reading()
            asyncio.get_running_loop().call_later(DISCARD_EVERY_S, self._read_on)

    def _take_turns(self) -> None:
        """Let others have the loop before the rest of what was read; meanwhile nothing more is."""
        self.transport.pause_reading()
        if self._has_turn:
            return
        self._has_turn = True
        loop = asyncio.get_running_loop()
        if self._is_closing:
            loop.call_later(DISCARD_EVERY_S, self._go_on)
        else:
            loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        """Hear more of what was read; a connection held meanwhile goes on when it is released."""
        self._has_turn = False
        if self._connection is None or self._is_held:
            return
        self.data_received(b"")
        if not self._is_closing:  # There it is read in a trickle.
            self._read_on()

    def _read_on(self) -> None:
        if not self._is_held and not self._is_behind and not self.transport.is_closing():
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
                self._shared.watch(self)
                connection.lost("peer_closed")
            self.transport.close()

    def _fail(self, connection: Talk, fault: CloseCode) -> None:
        """Say what was wrong, and nothing more; what still comes is discarded until the peer ends.

        Closing at once would be a reset where it is still sending, and that overtakes the close frame. TLS
        cannot be half closed: there the peer's own close, or the farewell's end, is waited for.
        """
        self.close(fault, "")
        connection.lost(FAULT_REASONS[fault])
        if self.transport.can_write_eof():
            self.transport.write_eof()

    # The upgrade.

    def _shake_hands(self, request: UpgradeRequest) -> None:
        """Admit or refuse, and say so."""
        if request.path not in {PATH, self._config.root_path + PATH}:
            self._refuse(request, EarfulError(ErrorCode.NOT_FOUND))
            return
        fault = request.fault()
        if fault is not None:
            unfit = EarfulError(ErrorCode.BAD_REQUEST, UNFIT)
            self._refuse(request, unfit, fault)
            return
        registry = self._shared.registry
        try:
            session_id = self._slot.enter_context(registry.slot(resuming=request.query.get("resume") == ["1"]))
        except EarfulError as refused:
            if request.query.get("refuse") == ["close"]:
                self._accept(request, [])
                self._turn_away(refused)
            else:
                self._refuse(request, refused)
            return
        self._accept(request, [(b"x-session-id", session_id.encode())])
        self._connection = registry.connect(session_id, self, self._peer(request.headers))

    def _peer(self, headers: list[Header]) -> str:
        return peer_of(self.transport.get_extra_info("peername"), headers, self._config)

    def _accept(self, request: UpgradeRequest, headers: list[Header]) -> None:
        offered = SUBPROTOCOL in request.values(b"sec-websocket-protocol")
        chosen = [(b"sec-websocket-protocol", SUBPROTOCOL.encode())] if offered else []
        self.transport.write(granted(request, [*chosen, *self._server_state.default_headers, *headers]))
        # The transport still tells the protocol before us: what waits behind an earlier answer we must see ourselves.
        self._is_clogged = self.transport.get_write_buffer_size() > 0

    def _turn_away(self, refused: EarfulError) -> None:
        """Refuse after the upgrade, for browsers, which see no status before it."""
        told = error(refused.code, text=refused.text, fatal=True, retry_after_ms=retry_after_s() * 1000)
        self.send(encode(told))
        self.close(CloseCode.TRY_LATER, refused.code.value)

    def _refuse(self, request: UpgradeRequest, refused: EarfulError, status: HTTPStatus | None = None) -> None:
        """Answer as HTTP, with the error's own status unless another is given, and end the connection."""
        self._is_closing = True
        self.transport.write(upgrade_refusal(request, refused, self._server_state.default_headers, status))
        self.transport.close()
        self._shared.watch(self)
