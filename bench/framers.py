"""What a WebSocket frame costs before any work is done: three ways to take one and answer it, on one core.

`python bench/framers.py [--rounds 9]`: picows' listener (`pip install picows`, needed for this alone), our
`FastConnection`, uvicorn's protocol with an ASGI application. A masked text of 4.3 KB comes, 100 bytes go.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import socket
import statistics
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]

from tests.support.raw import TEXT, RawSocket, frame  # noqa: E402 - found by the line above
from tests.support.server import Address  # noqa: E402

from report import Report  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

CHUNK = frame(TEXT, b'{"type":"audio_chunk","data":"%s"}' % (b"A" * 4268))
ANSWER = b"x" * 100
CONNECTIONS = 20
TURNS = 400
WARM_UP_TURNS = 50


async def serve_picows(listener: socket.socket) -> None:
    """picows, set up as a server would: no tasks of its own, small buffers."""
    # By name: only this comparison needs it, so it is no dependency and the type checker does not know it.
    picows: Any = import_module("picows")

    def on_ws_frame(_: object, transport: Any, frame: Any) -> None:
        frame.get_payload_as_bytes()
        transport.send(picows.WSMsgType.TEXT, ANSWER)

    answering = type("Answering", (picows.WSListener,), {"on_ws_frame": on_ws_frame})
    options = {"enable_auto_ping": False, "enable_auto_pong": False, "websocket_handshake_timeout": None}
    server = await picows.ws_create_server(lambda _: answering(), sock=listener, **options)
    await server.serve_forever()


async def serve_fast(listener: socket.socket) -> None:
    """Our own framer and connection; nothing stands behind them but an answer."""
    from contextlib import nullcontext
    from typing import cast

    from uvicorn import Config
    from uvicorn.server import ServerState

    from earful.transport.fast import FastTransport

    class Answering:
        def __init__(self, wire: Any) -> None:
            self._wire = wire

        def message(self, text: bytes) -> None:
            del text
            self._wire.send(ANSWER)

        def lost(self, reason: str) -> None:
            """Nothing was kept."""

    class Hall:
        entrance = None

        def slot(self, *, resuming: bool, admission: Any) -> Any:
            del resuming, admission
            return nullcontext("id")

        def connect(self, session_id: str, wire: Any, peer: str, admission: object) -> Answering:
            del session_id, peer, admission
            return Answering(wire)

    fast = FastTransport(cast("Any", Hall()), 1 << 20)
    config, state = Config(_application, log_config=None), ServerState()
    loop = asyncio.get_running_loop()
    protocol = cast("Callable[[], asyncio.Protocol]", lambda: fast.protocol(config, state, {}))
    server = await loop.create_server(protocol, sock=listener)
    await server.serve_forever()


async def serve_asgi(listener: socket.socket) -> None:
    """Frames through uvicorn's own protocol, with our additions, and an application as small as can be."""
    import uvicorn

    from earful.transport.uvicorn_ws import LendingProtocol

    config = uvicorn.Config(
        _application,
        ws=LendingProtocol,
        ws_per_message_deflate=False,
        ws_ping_interval=None,
        log_config=None,
        access_log=False,
        lifespan="off",
    )
    await uvicorn.Server(config).serve([listener])


async def _application(scope: Any, receive: Callable[[], Any], send: Callable[[Any], Any]) -> None:
    del scope
    await receive()
    await send({"type": "websocket.accept"})
    while (await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": ANSWER.decode()})


def measured(serve: Callable[[socket.socket], Coroutine[Any, Any, None]]) -> float:
    """CPU microseconds of a server process for each message, after warming up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        pid = os.fork()
        if pid == 0:
            _serve_and_exit(serve, listener)
        try:
            sockets = [
                RawSocket(Address(listener.getsockname()[1])).upgrade("/v1/transcribe/stream")
                for _ in range(CONNECTIONS)
            ]
            talk(sockets, WARM_UP_TURNS)
            before_s = cpu_s(pid)
            talk(sockets, TURNS)
            spent_s = cpu_s(pid) - before_s
            for raw in sockets:
                raw.close()
        finally:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    return spent_s / (TURNS * CONNECTIONS) * 1e6


def talk(sockets: list[RawSocket], turns: int) -> None:
    """One message on each connection, then the answer from each, so often."""
    for _ in range(turns):
        for raw in sockets:
            raw.send_bytes(CHUNK)
        for raw in sockets:
            raw.read_frame()


def cpu_s(pid: int) -> float:
    """What a process has used so far, by the kernel's own clock for it."""
    return time.clock_gettime((~pid << 3) | 2)


def _serve_and_exit(serve: Callable[[socket.socket], Coroutine[Any, Any, None]], listener: socket.socket) -> None:
    import uvloop

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve(listener))
    finally:
        os._exit(1)


WAYS = {"picows": serve_picows, "fast": serve_fast, "uvicorn + ASGI": serve_asgi}


def main() -> int:
    """Measure all in turn, so often; medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    figures: dict[str, list[float]] = {name: [] for name in WAYS}
    for _ in range(rounds):
        for name, serve in WAYS.items():
            figures[name].append(measured(serve))
    report = Report("framers")
    for name, spent in figures.items():
        report.note(f"{name}, us", round(statistics.median(spent), 1))
        report.note(f"{name}, least and most", f"{min(spent):.1f} {max(spent):.1f}")
    pairs = zip(figures["fast"], figures["picows"], strict=True)
    report.note("fast less picows, us", round(statistics.median(ours - theirs for ours, theirs in pairs), 1))
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
