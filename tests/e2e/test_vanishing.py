"""HTTP clients that go before they are answered: nothing of that is a fault of the server's."""

from __future__ import annotations

import contextlib
import socket
import struct

import pytest
from tests.support.server import running

pytestmark = pytest.mark.e2e

CLIENTS = 20
AT_ONCE = 50
REQUEST = b"GET /metrics HTTP/1.1\r\nhost: server\r\n\r\n"
_RESET = struct.pack("ii", 1, 0)


def test_who_asks_many_times_at_once_and_goes_is_forgotten() -> None:
    """No answer is written to a connection that is no more; the server's log has no trouble, which its end checks."""
    with running() as server, contextlib.ExitStack() as clients:
        for _ in range(CLIENTS):
            client = clients.enter_context(socket.socket())
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            client.connect((server.address.host, server.address.port))
            client.sendall(REQUEST * AT_ONCE)
            client.recv(1)
        for _ in range(AT_ONCE):  # Meanwhile it answers them as far as they read.
            assert "ok" == server.address.get("/v1/health")["status"]
        clients.close()
        assert "ok" == server.address.get("/v1/health")["status"]
