"""HTTP from a thread of the test's own process, for what asks and waits for its answer."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator

_LOOK_EVERY_S = 0.01
_ENDS_WITHIN_S = 30.0


class Quiet(BaseHTTPRequestHandler):
    """A handler that logs nothing, and is the same to GET and POST."""

    def asked(self) -> None:
        """Answer; overridden."""
        raise NotImplementedError

    def do_GET(self) -> None:
        """Answer."""
        self.asked()

    def do_POST(self) -> None:
        """Answer."""
        self.asked()

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""

    def answer(self, status: int, body: bytes = b"") -> None:
        """Say this."""
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if body:  # Who asks for nothing more may be gone.
            self.wfile.write(body)


@contextmanager
def serving(handler: Callable[..., BaseHTTPRequestHandler], tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """Serve on a free port of the loopback, which is given, while the scope lasts."""
    server: Any
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(_LOOK_EVERY_S,))
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join(_ENDS_WITHIN_S)
