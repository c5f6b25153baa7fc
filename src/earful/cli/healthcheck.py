"""`earful healthcheck`: whether the server that runs with the same settings lives, for a container's own check.

Guarantees an answer within about `TIMEOUT_S`: exit code 0, or one sentence on stderr and 1; no proxy is asked. It runs
every few seconds, so that `__main__` spares it typer, and it spares itself the settings where the environment says all.
"""

from __future__ import annotations

import os
import socket
import sys
import time

TYPE_CHECKING = False  # As typing's, which takes as long to import as all else here.
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TIMEOUT_S = 2.0
DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", 8000
"""The settings' own; a test holds them equal."""
_MOST_PORT = 65_535
_SICK = 1  # Docker knows 0 and 1 only.
_REQUEST = b"GET /livez HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
_STATUS_BYTES = len(b"HTTP/1.1 200")
_HERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, not bound


class Place:
    """Where a server listens: on this machine, where it does so everywhere."""

    def __init__(self, host: str, port: int, uds: str | None = None, *, is_tls: bool = False) -> None:
        """At `host` and `port`, or at the Unix socket `uds` in their place."""
        self.host, self.port, self.uds, self.is_tls = _HERE.get(host, host), port, uds, is_tls

    def __str__(self) -> str:
        """As a sentence names it."""
        return self.uds or f"{self.host}:{self.port}"

    def connect(self, timeout_s: float) -> socket.socket:
        """A connection to it; raises OSError."""
        if self.uds is None:
            server = socket.create_connection((self.host, self.port), timeout_s)
        else:
            server = _at_path(self.uds, timeout_s)
        return _over_tls(server) if self.is_tls else server


def healthcheck(arguments: Sequence[str]) -> int:
    """Ask the server that `earful serve` with these flags and this environment is; the exit code."""
    place = None if arguments else place_in(os.environ)
    return _by_settings(arguments) if place is None else _ask(place)


def place_in(env: Mapping[str, str]) -> Place | None:
    """Where a server with this environment listens; None where only the settings as a whole can tell."""
    host, port = env.get("EARFUL_HOST", DEFAULT_HOST), env.get("EARFUL_PORT", str(DEFAULT_PORT))
    if env.get("EARFUL_CONFIG") or not host or not (port.isdecimal() and 0 < int(port) <= _MOST_PORT):
        return None
    return Place(host, int(port), env.get("EARFUL_UDS"), is_tls="EARFUL_TLS_CERT" in env)


def _by_settings(arguments: Sequence[str]) -> int:
    from earful.cli.flags import load_settings, settings_parser
    from earful.settings import SettingsError

    parser = settings_parser("healthcheck", "Ask the server with the same settings whether it lives; exit code 0 or 1.")
    try:
        _, settings = load_settings(parser, arguments, os.environ)
    except SettingsError as error:
        return _complain(str(error))
    if settings.port == 0 and settings.uds is None:
        return _complain("With port 0 nobody knows where to ask; name the port.")
    return _ask(Place(settings.host, settings.port, settings.uds, is_tls=settings.tls_cert is not None))


def _ask(place: Place) -> int:
    try:
        status = _status(place)
    except TimeoutError:
        return _complain(f"{place} does not answer within {TIMEOUT_S:g} s.")
    except OSError:
        return _complain(f"Nothing answers at {place}.")
    if status == "200":
        return 0
    return _complain(f"{place} answered {status if status.isdecimal() else 'something else than HTTP'}.")


def _status(place: Place) -> str:
    """What the server answers, as it stands in the first line; raises OSError."""
    until = time.monotonic() + TIMEOUT_S
    with place.connect(TIMEOUT_S) as server:
        server.sendall(_REQUEST)
        head = b""
        while len(head) < _STATUS_BYTES:
            server.settimeout(max(until - time.monotonic(), 0.001))  # With 0 it would not wait at all.
            piece = server.recv(_STATUS_BYTES - len(head))
            if not piece:
                raise ConnectionResetError
            head += piece
    return head[-3:].decode("latin-1") if head.startswith(b"HTTP/1.") else ""


def _at_path(path: str, timeout_s: float) -> socket.socket:
    server = socket.socket(socket.AF_UNIX)
    server.settimeout(timeout_s)
    try:
        server.connect(path)
    except OSError:
        server.close()
        raise
    return server


def _over_tls(server: socket.socket) -> socket.socket:
    """The same connection in TLS. Whose certificate it is does not matter: this machine asks itself how it is."""
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(server)


def _complain(sentence: str) -> int:
    print(f"earful: {sentence}", file=sys.stderr)
    return _SICK
