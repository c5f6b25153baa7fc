"""The sockets a server listens on: the public one, and that for operations where it has one.

Guarantees that an address that cannot be had is one sentence, which names the flags to choose another.
Called by `server.py` and `worker.py` before anything else, so that a port in use ends the start at once.
"""

from __future__ import annotations

import errno
import socket
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from earful.unix_socket import UnixSocketError, unix_listener

if TYPE_CHECKING:
    from collections.abc import Iterator

    from earful.settings import Settings

OPS_BACKLOG = 128


class CannotListen(Exception):  # noqa: N818 - what the start ends with, not what it raised
    """An address cannot be listened on; the text is one sentence for whoever chose it."""


@contextmanager
def listening(settings: Settings, backlog: int) -> Iterator[socket.socket]:
    """The public address of a server alone, host and port or a Unix socket, for as long as the scope lasts.

    Who connects waits until it is served. Raises as `bind`.
    """
    with bind(settings, backlog=backlog) if settings.uds is None else bind_path(settings, backlog) as listener:
        yield listener


@contextmanager
def bind_path(settings: Settings, backlog: int) -> Iterator[socket.socket]:
    """The public Unix socket, listening, for as long as the scope lasts. Raises CannotListen."""
    path = str(settings.uds)
    with ExitStack() as scope:
        try:
            listener = scope.enter_context(unix_listener(path, int(settings.uds_mode, 8)))
        except UnixSocketError as error:
            raise CannotListen(f"Cannot listen at {path!r}: {error}; choose another path with --uds.") from None
        listener.listen(backlog)
        yield listener


def place_of(listener: socket.socket, settings: Settings) -> dict[str, object]:
    """What the log tells of the public address."""
    how = {} if settings.tls_cert is None else {"tls": True}
    if settings.uds is not None:
        return {"uds": settings.uds, **how}
    return {"host": settings.host, "port": listener.getsockname()[1], **how}


def bind(settings: Settings, shared_port: int | None = None, *, backlog: int = 0) -> socket.socket:
    """The public address, not accepting yet. Accepted sockets inherit its bounded send buffer.

    With `shared_port` it is that port of the host, beside other sockets that are bound to it and share it. With a
    `backlog` so many who connect wait until they are accepted, and nobody else can have the address. Raises
    CannotListen where the address cannot be had, and OSError for other trouble.
    """
    port = settings.port if shared_port is None else shared_port
    listener = _bind(settings.host, port, "", backlog, is_shared=shared_port is not None)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, settings.send_buffer_bytes)
    return listener


def bind_ops(settings: Settings, slot: int = 0) -> socket.socket | None:
    """The operations address of the worker in `slot`; who connects waits until it is served. None where there is none.

    Raises as `bind`.
    """
    if settings.ops_port is None:
        return None
    port = settings.ops_port + slot if settings.ops_port else 0
    return _bind(settings.ops_host, port, "ops-", OPS_BACKLOG)


def ops_url(listener: socket.socket | None = None) -> str:
    """The root of what is served on it, empty for None; where it is on all addresses, on that of the machine's name."""
    if listener is None:
        return ""
    host, port = listener.getsockname()[:2]
    if host in {"0.0.0.0", "::"}:  # noqa: S104 - compared, not bound
        host = _own_address()
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _own_address() -> str:
    """What other machines may reach this one by: in a container or a pod its name stands for just that."""
    name = socket.gethostname()
    try:
        return socket.gethostbyname(name)
    except OSError:
        return name


def _bind(host: str, port: int, flags: str, backlog: int, *, is_shared: bool = False) -> socket.socket:
    """A bound socket, which listens where it has a `backlog`; `flags` begins the names of the address' flags."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if is_shared:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try:
            listener.bind(address)
            if backlog:  # Two may bind one address (SO_REUSEADDR); only one listens on it.
                listener.listen(backlog)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        sentence = bind_failure(error, host, port, flags)
        if sentence is None:
            raise
        raise CannotListen(sentence) from error
    listener.setblocking(False)
    return listener


def bind_failure(error: OSError, host: str, port: int, flags: str = "") -> str | None:
    """What to tell whoever chose an address that cannot be listened on; None for any other trouble."""
    place = f"port {port} on {host}"
    host_flag, port_flag = f"--{flags}host", f"--{flags}port"
    if isinstance(error, socket.gaierror):
        return f"The host {host!r} is not known; choose another with {host_flag}."
    sentences = {
        errno.EADDRINUSE: f"Cannot listen: {place} is in use; stop what uses it, or choose another with {port_flag}.",
        errno.EACCES: f"Cannot listen: {place} needs more rights; choose a port from 1024 up with {port_flag}.",
        errno.EADDRNOTAVAIL: f"Cannot listen: {host} is no address of this machine; choose one with {host_flag}.",
    }
    return sentences.get(error.errno or 0)
