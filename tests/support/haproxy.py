"""A real HAProxy with `deploy/haproxy.cfg`, on a free port of 127.0.0.1, before two workers.

Guarantees that it is gone when the scope ends. It listens before it is started: who connects waits for it.
"""

from __future__ import annotations

import os
import socket
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.support.server import ROOT, Address

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM = "/usr/sbin/haproxy"
PATIENCE_S = 10.0


@contextmanager
def haproxy(first: Address, second: Address) -> Iterator[Address]:
    """Where it listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        process = subprocess.Popen(
            [PROGRAM, "-db", "-f", str(ROOT / "deploy" / "haproxy.cfg")],
            env={
                **os.environ,
                "BIND": f"fd@{listener.fileno()}",
                "WORKER_1": f"{first.host}:{first.port}",
                "WORKER_2": f"{second.host}:{second.port}",
            },
            pass_fds=[listener.fileno()],
        )
    try:
        yield Address(port)
    finally:
        process.terminate()
        process.wait(PATIENCE_S)
