"""A process that has imported what `earful serve` imports, and forks a server whenever one is ordered.

`nursery.py` runs it and says what differs from a user's start. Its standard input is a socket: each packet is an order,
and where nobody can order any more it ends. Guarantees that a server has open what it was given and nothing else.
"""

from __future__ import annotations

import gc
import json
import os
import runpy
import select
import socket
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

LONGEST_ORDER_BYTES = 100_000
_ORDERS = 0
"""The descriptor they come from."""
_IMPORTED = (
    "earful.cli.serve",
    "earful.server",
    "earful.worker",
    # What the first steps of a server import.
    "earful.models.mock_batch",
    "encodings.idna",
    "pydantic.v1",
    "structlog",
    "uvicorn.lifespan.on",
    "uvicorn.loops.uvloop",
)


def main() -> None:
    """Fork servers and reap them; in each of them, be it."""
    for module in _IMPORTED:
        import_module(module)
    gc.collect()
    gc.freeze()  # Or the first collection of a server would copy all that it shares with this process.
    servers: dict[int, tuple[int, int]] = {}
    events = select.poll()
    events.register(_ORDERS, select.POLLIN)
    while True:
        for descriptor, _ in events.poll():
            if descriptor in servers:
                events.unregister(descriptor)
                _reap(descriptor, *servers.pop(descriptor))
            else:
                order, given = _take()
                if not given:
                    return
                pid = os.fork()
                if pid == 0:
                    _be_server(order, *given)
                pidfd = os.pidfd_open(pid)
                servers[pidfd] = pid, given[-1]
                events.register(pidfd, select.POLLIN)
                for stream in given[:-1]:
                    os.close(stream)


def _take() -> tuple[Any, list[int]]:
    """The next order and the descriptors with it: standard output and error, and the line to whoever ordered."""
    desk = socket.socket(fileno=_ORDERS)
    try:
        order, given, _, _ = socket.recv_fds(desk, LONGEST_ORDER_BYTES, 3)
    finally:
        desk.detach()
    return json.loads(order or "null"), given


def _reap(pidfd: int, pid: int, line: int) -> None:
    """Tell its exit code to whoever ordered this server."""
    _, status = os.waitpid(pid, 0)
    with suppress(BrokenPipeError):
        os.write(line, str(os.waitstatus_to_exitcode(status)).encode())
    os.close(line)
    os.close(pidfd)


def _be_server(order: Any, out: int, err: int, line: int) -> NoReturn:
    """Do what `python -m` does, as a process that was started with this alone."""
    os.setpgid(0, 0)
    _tell_birth(line)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(out, 1)
    os.dup2(err, 2)
    os.closerange(3, 1 + max(int(path.name) for path in Path("/proc/self/fd").iterdir()))
    os.environ.clear()
    os.environ.update(order["env"])
    os.chdir(order["folder"])
    sys.path[0] = order["folder"]
    sys.argv[1:] = order["arguments"]
    runpy.run_module("earful", run_name="__main__", alter_sys=True)
    sys.exit()


def _tell_birth(line: int) -> None:
    """Tell who was born, and hand over what it can be signalled by, also when another has its number."""
    pidfd = os.pidfd_open(os.getpid())
    speaking = socket.socket(fileno=line)
    socket.send_fds(speaking, [str(os.getpid()).encode()], [pidfd])
    speaking.detach()


if __name__ == "__main__":
    main()
