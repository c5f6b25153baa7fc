"""A real HAProxy before some workers, on a port of its own; it is gone when the scope ends."""

from __future__ import annotations

import socket
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.server import STOP_WITHIN_S, Address

if TYPE_CHECKING:
    from collections.abc import Iterator

CONFIGURATION = """
defaults
    mode http
    timeout connect 1s
    timeout client 30s
    timeout server 30s
    timeout tunnel 1h
    option redispatch 1
frontend in
    bind fd@{descriptor}
    default_backend workers
backend workers
    balance leastconn
    default-server check inter 100ms fall 1 rise 1
"""


@contextmanager
def balancing(*workers: Address) -> Iterator[Address]:
    """Spread connections over these workers; where to connect."""
    with socket.create_server(("127.0.0.1", 0)) as listener, tempfile.TemporaryDirectory() as directory:
        servers = "".join(f"    server w{nth} 127.0.0.1:{worker.port}\n" for nth, worker in enumerate(workers))
        path = Path(directory) / "haproxy.cfg"
        path.write_text(CONFIGURATION.format(descriptor=listener.fileno()) + servers)
        command = ["/usr/sbin/haproxy", "-db", "-q", "-f", str(path)]
        with subprocess.Popen(command, pass_fds=[listener.fileno()], stderr=subprocess.DEVNULL) as process:
            try:
                yield Address(listener.getsockname()[1])
            finally:
                process.kill()
                process.wait(STOP_WITHIN_S)
