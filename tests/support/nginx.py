"""A real nginx with `deploy/nginx.conf`, on a free port of 127.0.0.1, before two workers.

Guarantees that it answers when the scope begins and is gone when it ends.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.redis_server import free_port
from tests.support.server import ROOT, Address, await_true

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM = "/usr/sbin/nginx"
PATIENCE_S = 10.0
_TRIES = 5


@contextmanager
def nginx(first: Address, second: Address) -> Iterator[Address]:
    """Where it listens."""
    with tempfile.TemporaryDirectory(prefix="nginx-") as folder:
        workers = "".join(f"server {worker.host}:{worker.port} max_fails=0;\n" for worker in (first, second))
        (Path(folder) / "nginx-workers.conf").write_text(workers, "utf-8")
        shutil.copy(ROOT / "deploy" / "nginx.conf", folder)
        process, address = _start(Path(folder))
        try:
            yield address
        finally:
            process.terminate()
            process.wait(PATIENCE_S)


def _start(folder: Path) -> tuple[subprocess.Popen[bytes], Address]:
    for _ in range(_TRIES):
        address = Address(free_port())
        (folder / "nginx-listen.conf").write_text(f"listen {address.host}:{address.port};\n", "utf-8")
        command = [PROGRAM, "-e", "stderr", "-p", str(folder), "-c", str(folder / "nginx.conf"), "-g", "daemon off;"]
        process = subprocess.Popen(command)
        await_true(lambda process=process, address=address: process.poll() is not None or _answers(address))
        if process.poll() is None:
            return process, address
        # Somebody took the port.
    raise AssertionError("nginx does not start")


def _answers(address: Address) -> bool:
    with suppress(OSError), socket.create_connection((address.host, address.port), PATIENCE_S):
        return True
    return False
