"""A Unix socket to listen on: made at a path, and gone from there at the end.

Guarantees that a file nobody listens on is replaced only where it is a socket, that one somebody listens on is left
alone, and that only our own is removed. Called by `listening.py`.
"""

from __future__ import annotations

import socket
import stat
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_ASK_WITHIN_S = 1.0


class UnixSocketError(Exception):
    """No socket can be had at a path; the text says why, without the path."""


@contextmanager
def unix_listener(path: str, mode: int) -> Iterator[socket.socket]:
    """A socket bound to `path`, which those may connect to whom `mode` lets; not listening yet.

    Raises UnixSocketError.
    """
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as listener:
        listener.setblocking(False)
        try:
            _make_way(Path(path))
            listener.bind(path)
            Path(path).chmod(mode)  # Before anybody can connect, since nobody listens yet.
            ours = Path(path).stat()
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else None
            raise UnixSocketError(reason or str(error)) from None
        try:
            yield listener
        finally:
            _remove(Path(path), ours.st_ino)


def _make_way(path: Path) -> None:
    """Remove the socket of a server that has gone. Raises UnixSocketError where something else is there."""
    with suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise UnixSocketError("another file is there")
        if _is_live(path):
            raise UnixSocketError("a server listens on it")
        path.unlink()


def _is_live(path: Path) -> bool:
    """Whether anybody listens; whose queue is full does. Raises OSError where that cannot be found out."""
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as asking:
        asking.settimeout(_ASK_WITHIN_S)
        try:
            asking.connect(str(path))
        except ConnectionRefusedError:
            return False
        except (BlockingIOError, TimeoutError):
            return True
        return True


def _remove(path: Path, inode: int) -> None:
    """Remove our socket, unless another has taken its place."""
    with suppress(OSError):
        if path.lstat().st_ino == inode:
            path.unlink()
