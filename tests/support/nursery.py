"""Servers forked from a process that has imported all they do: that is most of a start, and tests start hundreds.

Such a server differs from a user's in that its modules are there before its flags are read, its memory is shared with
where it comes from, and sets have one order in all of a pytest worker. The true start is what `tests/docs` and
`tests/e2e/test_cli.py` begin with, `tests/support/test_nursery.py` compares them, and what measures memory asks for it.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_READ_LATE = ("EARFUL_", "OTEL_", "PYTEST_", "TMPDIR")
"""How variables begin that are read when a server has its flags, not while modules are imported."""


class Infant:
    """A server that was forked, with what tests use of `subprocess.Popen`."""

    def __init__(self, pid: int, pidfd: int, line: socket.socket) -> None:
        """Know it by a `pidfd`, since another may have its number soon; the `line` will tell its exit code."""
        self.pid = pid
        self._pidfd = pidfd
        self._line = line

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, as soon as there is one; subprocess.TimeoutExpired where there is none in time."""
        if not self._is_over(timeout):
            raise subprocess.TimeoutExpired(f"server {self.pid}", timeout or 0)
        return self._exit_code()

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, number)

    def terminate(self) -> None:
        """Tell it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.wait()
        os.close(self._pidfd)
        self._line.close()

    def _is_over(self, within_s: float | None) -> bool:
        events = select.poll()
        events.register(self._line, select.POLLIN)
        return bool(events.poll(None if within_s is None else within_s * 1000))

    def _exit_code(self) -> int:
        """Left on the line for whoever asks again, perhaps in another thread."""
        told = self._line.recv(16, socket.MSG_PEEK)
        assert told, "the nursery has ended"
        return int(told)


class Nursery:
    """The process that servers are forked from; it ends with whoever started it."""

    def __init__(self, env: Mapping[str, str]) -> None:
        """Start it with this environment, which cannot be another any more for what reads it while it is imported."""
        self._early = _read_early(env)
        self._orders, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            command = [sys.executable, "-m", "tests.support.warm"]
            # Not in the foreground: Ctrl-C is for pytest, which ends its servers.
            self._process = subprocess.Popen(
                command, stdin=theirs.fileno(), stdout=subprocess.DEVNULL, env=env, process_group=0
            )

    def can_bear(self, env: Mapping[str, str]) -> bool:
        """Whether a server with this environment would be the same if it were started by itself."""
        return self._early == _read_early(env)

    def bear(self, arguments: Sequence[str], env: Mapping[str, str], out: int, err: int) -> Infant:
        """Start `python -m earful` with these arguments, as `subprocess.Popen` would in a process group of its own."""
        order = {"arguments": arguments, "env": dict(env), "folder": str(Path.cwd())}
        line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            socket.send_fds(self._orders, [json.dumps(order).encode()], [out, err, theirs.fileno()])
        told, pidfds, _, _ = socket.recv_fds(line, 16, 1)
        (pidfd,) = pidfds
        return Infant(int(told), pidfd, line)

    def close(self) -> None:
        """End it."""
        self._orders.close()
        self._process.wait()


def _read_early(env: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in env.items() if not name.startswith(_READ_LATE)}
