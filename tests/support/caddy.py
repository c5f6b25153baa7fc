"""A real Caddy with `deploy/Caddyfile`, on a free port of 127.0.0.1, before two workers.

Guarantees that it answers when the scope begins and is gone when it ends.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from tests.support.redis_server import free_port
from tests.support.server import ROOT, Address, await_true

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM = "caddy"
PATIENCE_S = 10.0
_TRIES = 5


@contextmanager
def caddy(first: Address, second: Address) -> Iterator[Address]:
    """Where it listens."""
    with tempfile.TemporaryDirectory(prefix="caddy-") as folder:
        process, address = _start(folder, first, second)
        try:
            yield address
        finally:
            process.kill()  # It would wait for its sessions.
            process.wait(PATIENCE_S)


def _start(folder: str, first: Address, second: Address) -> tuple[subprocess.Popen[bytes], Address]:
    for _ in range(_TRIES):
        address = Address(free_port())
        process = subprocess.Popen(
            [PROGRAM, "run", "--config", str(ROOT / "deploy" / "Caddyfile"), "--adapter", "caddyfile"],
            env={
                **os.environ,
                "XDG_CONFIG_HOME": folder,
                "XDG_DATA_HOME": folder,
                "ADDRESS": address.host,
                "PORT": str(address.port),
                "WORKER_1": f"{first.host}:{first.port}",
                "WORKER_2": f"{second.host}:{second.port}",
            },
            stderr=subprocess.DEVNULL,
        )
        await_true(lambda process=process, address=address: process.poll() is not None or _serves(address))
        if process.poll() is None:
            return process, address
        # Somebody took the port.
    raise AssertionError("Caddy does not start")


def _serves(address: Address) -> bool:
    """Whether it answers, and for the workers: it knows how they are."""
    with suppress(OSError):
        return address.request("GET", "/readyz").status == 200
    return False
