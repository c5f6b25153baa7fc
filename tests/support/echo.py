"""A server that answers every message with itself, on either transport: what Autobahn's cases talk to.

`python tests/support/echo.py --transport fast --port 9001`, or `echoing` in a test. It is the transport's
own code up to the seam where a session would begin: the registry of `fast`, the route of `asgi`.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import socket
import sys
import threading
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

# Run as a script, its own directory is all that Python knows of the tests.
sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.support.inside import Record
from tests.support.server import Address

from earful.telemetry.events import Events
from earful.transport.fast import FastTransport
from earful.transport.frames import Opcode, frame
from earful.transport.upgrade import PATH
from earful.transport.uvicorn_ws import LendingProtocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from earful.service.admission import Admission
    from earful.service.origin import Origin
    from earful.service.wire import Wire
    from earful.transport.fast_connection import FastConnection


MAX_MESSAGE_BYTES = 1 << 24
SWEEP_EVERY_S = 0.25
START_WITHIN_S = 30.0

NewLoop: TypeAlias = "Callable[[], asyncio.AbstractEventLoop]"


class Echo:
    """Stands where a `Connection` would."""

    def __init__(self, wire: FastConnection) -> None:
        self._wire = wire

    def message(self, text: bytes | str) -> None:
        """Say it again."""
        self._wire.send(text.encode() if isinstance(text, str) else text)

    def audio(self, data: bytes) -> None:
        """Say it again, as binary: what no session ever does."""
        self._wire._write(frame(Opcode.BINARY, data))

    def pinged(self) -> None:
        """Leave the answer to the transport."""

    def ponged(self) -> None:
        """Nobody asked."""

    def writable(self) -> None:
        """Nothing waits."""

    def lost(self, reason: str, close_code: int = 1006, peer_code: int | None = None) -> None:
        """Forget nothing: nothing was kept."""


class Echoes:
    """Stands where the registry would: lets everybody in."""

    entrance = None
    is_closed = False

    def __init__(self) -> None:
        self.events = Events(Record())

    def check(self, *, resuming: bool) -> None:
        """There is always a place."""

    def check_tenant(self, admission: Admission) -> None:
        """For everybody."""

    def decide(self, session_id: str, admission: Admission) -> None:
        """Everybody may."""

    def slot(self, *, resuming: bool, admission: Admission) -> AbstractContextManager[str]:
        """A place."""
        del resuming, admission
        return nullcontext("echo")

    def connect(self, session_id: str, wire: Wire, origin: Origin, admission: Admission) -> Echo:
        """Put an echo behind the wire."""
        del session_id, origin, admission
        return Echo(cast("FastConnection", wire))


async def echo(websocket: WebSocket) -> None:
    """Answer every message with itself."""
    await websocket.accept()
    try:
        while (message := await websocket.receive())["type"] == "websocket.receive":
            if message.get("text") is not None:
                await websocket.send_text(message["text"])
            else:
                await websocket.send_bytes(message["bytes"])
    except WebSocketDisconnect:
        pass


class EchoServer(uvicorn.Server):
    """uvicorn, told of its end by whoever runs it, with the sweep that ends closing connections."""

    def __init__(self, transport: str) -> None:
        self._fast = FastTransport(Echoes(), MAX_MESSAGE_BYTES)
        super().__init__(
            uvicorn.Config(
                Starlette(routes=[WebSocketRoute(path, echo) for path in ("/", PATH)]),
                ws=cast("Any", self._protocol if transport == "fast" else LendingProtocol),
                ws_max_size=MAX_MESSAGE_BYTES,
                ws_per_message_deflate=False,
                ws_ping_interval=None,
                log_config=None,
                access_log=False,
                timeout_graceful_shutdown=1,
            )
        )
        self.is_up = threading.Event()

    def _protocol(self, **collaborators: Any) -> FastConnection:
        return self._fast.protocol(**collaborators)

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]  # a context manager all the same
        """Leave them alone."""
        return nullcontext()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Sweep from the beginning."""
        await super().startup(sockets)
        asyncio.get_running_loop().call_later(SWEEP_EVERY_S, self._sweep)
        self.is_up.set()

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        self._fast.sweep(loop.time())
        loop.call_later(SWEEP_EVERY_S, self._sweep)


def serve(server: EchoServer, listener: socket.socket, new_loop: NewLoop = uvloop.new_event_loop) -> None:
    """Serve until the server is told to stop."""
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(server.serve([listener]))


@contextmanager
def echoing(transport: str, new_loop: NewLoop = uvloop.new_event_loop) -> Iterator[Address]:
    """Serve in a thread while the scope lasts; where."""
    server = EchoServer(transport)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(server, listener, new_loop), name="echo")
        thread.start()
        try:
            assert server.is_up.wait(START_WITHIN_S)
            yield Address(listener.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join(START_WITHIN_S)
        assert not thread.is_alive()


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--transport", choices=("fast", "asgi"), default="fast")
    parser.add_argument("--port", type=int, default=9001)
    arguments = parser.parse_args()
    server = EchoServer(arguments.transport)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: setattr(server, "should_exit", True))
    with socket.create_server(("127.0.0.1", arguments.port)) as listener:
        serve(server, listener)


if __name__ == "__main__":
    main()
