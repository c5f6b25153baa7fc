"""The upgrade request of a WebSocket: what it asks for, and the answers to it. Pure; RFC 6455, section 4.2.

uvicorn hands the request over as it parsed it. Firefox's `Connection: keep-alive, Upgrade` is as good
as any other.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from urllib.parse import parse_qs, unquote

PATH = "/v1/transcribe/stream"
VERSION = "13"
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_KEY_BYTES = 16

Header = tuple[bytes, bytes]


@dataclass(frozen=True, slots=True)
class UpgradeRequest:
    """A request to become a WebSocket; header names are in lower case, as on the wire otherwise."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: list[Header]

    def values(self, name: bytes) -> list[str]:
        """All values of a header, comma-separated ones apart."""
        found = [value.decode("latin-1") for key, value in self.headers if key == name]
        return [part.strip() for value in found for part in value.split(",") if part.strip()]

    def fault(self) -> HTTPStatus | None:
        """What is wrong with it as an upgrade, if anything: 405 but for GET, 426 for another version, else 400."""
        if self.method != "GET":
            return HTTPStatus.METHOD_NOT_ALLOWED
        if self.values(b"sec-websocket-version") != [VERSION]:
            return HTTPStatus.UPGRADE_REQUIRED
        keys = self.values(b"sec-websocket-key")
        if len(keys) != 1 or not is_key(keys[0]):
            return HTTPStatus.BAD_REQUEST
        return None

    def accept_key(self) -> str:
        """The proof, for `Sec-WebSocket-Accept`, that the key was read."""
        key = self.values(b"sec-websocket-key")[0].encode()
        return base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest()).decode()


def parse(head: bytes) -> UpgradeRequest:
    """Read a well-formed request head, as uvicorn's parser lets through; what follows it is not looked at."""
    request_line, *lines = head.split(b"\r\n\r\n", 1)[0].split(b"\r\n")
    method, target = request_line.decode("latin-1").split(" ")[:2]
    path, _, query = target.partition("?")
    headers = [(name.lower(), value.strip()) for name, _, value in (line.partition(b":") for line in lines)]
    return UpgradeRequest(method, unquote(path), parse_qs(query), headers)


def granted(request: UpgradeRequest, headers: list[Header]) -> bytes:
    """The answer that makes the connection a WebSocket; the request has no fault."""
    accept = (b"sec-websocket-accept", request.accept_key().encode())
    upgrade = [(b"upgrade", b"websocket"), (b"connection", b"Upgrade"), accept]
    return response(HTTPStatus.SWITCHING_PROTOCOLS, [*upgrade, *headers])


def response(status: HTTPStatus, headers: list[Header], body: bytes = b"") -> bytes:
    """A whole HTTP/1.1 answer; one that is not 101 also ends the connection."""
    lines = [_status_line(status), *[name + b": " + value for name, value in headers]]
    if status is not HTTPStatus.SWITCHING_PROTOCOLS:
        lines += [b"content-length: %d" % len(body), b"connection: close"]
    return b"\r\n".join([*lines, b"", body])


@cache
def _status_line(status: HTTPStatus) -> bytes:
    return f"HTTP/1.1 {status.value} {status.phrase}".encode()


def is_key(key: str | bytes) -> bool:
    """Whether it is 16 bytes in Base64, as a request's key has to be."""
    try:
        return len(base64.b64decode(key, validate=True)) == _KEY_BYTES
    except (binascii.Error, ValueError):
        return False
