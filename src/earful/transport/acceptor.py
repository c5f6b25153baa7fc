"""Takes connections from a listening socket in place of the loop's own server: in batches while most are refused.

Guarantees that refusals leave the loop to the sessions: while the turnstile is shut or the lobby full, at most
`AT_ONCE` connections are taken at a time, with `BATCH_S` between two batches. One by one, each amid other work, a
refusal costs twice as much. What comes faster waits in the kernel's queue. TLS handshakes are made in the lobby.
"""

from __future__ import annotations

import asyncio
import errno
from contextlib import suppress
from typing import TYPE_CHECKING

from earful.transport.lobby import Guest

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable

    from earful.transport.lobby import Lobby
    from earful.transport.turnstile import Turnstile

AT_ONCE = 10
BATCH_S = 0.005
"""With `AT_ONCE` it bounds refusals to some 1,800 a second, a tenth of a core."""
REST_S = 1.0
"""How long nobody is taken where the system has nothing left for a connection; as asyncio's own server."""
CLOSE_WITHIN_S = 0.5
"""Less than uvicorn waits for all that is to close."""
_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_READ_BYTES = 65_536


class Acceptor:
    """One listening socket, which it does not close."""

    def __init__(
        self,
        listener: socket.socket,
        turnstile: Turnstile | None,
        lobby: Lobby,
        protocol: Callable[[bytes, Guest], asyncio.BaseProtocol],
        tls: tuple[ssl.SSLContext, float] | tuple[None, None] = (None, None),
    ) -> None:
        """`protocol` makes one for each connection that is not turned away, with what was read of it already.

        Where there is no `turnstile` nobody is. `tls` is the context and how long a handshake may take, in seconds.
        """
        self._listener = listener
        self._turnstile = turnstile
        self._lobby = lobby
        self._protocol = protocol
        self._tls = tls
        self._is_open = False
        self._pause: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def open(self, backlog: int) -> None:
        """Listen, and take whoever comes."""
        self._loop = asyncio.get_running_loop()
        self._listener.setblocking(False)
        self._listener.listen(backlog)
        self._is_open = True
        self._loop.add_reader(self._listener.fileno(), self._take)

    def close(self) -> None:
        """Take nobody any more; those who wait stay in the kernel's queue as long as the socket is open."""
        if not self._is_open:
            return
        self._is_open = False
        if self._pause is None:
            self._loop.remove_reader(self._listener.fileno())
        else:
            self._pause.cancel()

    async def wait_closed(self) -> None:
        """Wait for those who were being taken, but no longer for TLS handshakes."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=CLOSE_WITHIN_S)
        for task in self._tasks:
            task.cancel()

    def _take(self) -> None:
        """Somebody is there, or a pause is over. The loop tells of who comes unless there is a pause."""
        turnstile = self._turnstile
        rest_s = self._take_batch(turnstile if turnstile is not None and turnstile.is_shut else None)
        if rest_s is not None:
            if self._pause is None:
                self._loop.remove_reader(self._listener.fileno())
            self._pause = self._loop.call_later(rest_s, self._take)
        elif self._pause is not None:
            self._pause = None
            self._loop.add_reader(self._listener.fileno(), self._take)

    def _take_batch(self, shut: Turnstile | None) -> float | None:
        """For how long to take nobody afterwards, if for any time; `shut` is the turnstile where it is that."""
        is_pressed = shut is not None or self._lobby.is_full
        for taken in range(AT_ONCE):
            try:
                connection, address = self._listener.accept()
            except OSError as fault:
                if fault.errno in _EXHAUSTED:
                    self._tell(fault)
                    return REST_S
                return BATCH_S if is_pressed and taken else None
            try:
                self._welcome(connection, address, shut)
            except Exception as fault:  # noqa: BLE001 - of one connection: the others are still to be taken
                connection.close()
                self._tell(fault)
        return BATCH_S if is_pressed else None

    def _tell(self, fault: Exception) -> None:
        self._loop.call_exception_handler({"message": "a connection could not be taken", "exception": fault})

    def _welcome(self, connection: socket.socket, address: object, shut: Turnstile | None) -> None:
        connection.setblocking(False)
        early = b""
        if shut is not None:
            try:
                early = connection.recv(_READ_BYTES)
            except BlockingIOError:
                self._connect(connection, b"")
                return
            except OSError:  # Gone, with a reset: no fault of ours, and no line in the log for each that does it.
                connection.close()
                return
            answer = shut.refusal_of(early, address) if early else b""
            if answer is not None:
                with suppress(OSError):
                    connection.send(answer)
                connection.close()
                return
        self._connect(connection, early)

    def _connect(self, connection: socket.socket, early: bytes) -> None:
        guest = Guest(self._lobby, connection)
        guest.wait()
        task = self._loop.create_task(self._open(connection, early, guest), name="accept")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _open(self, connection: socket.socket, early: bytes, guest: Guest) -> None:
        """Give it to the loop; with TLS until its handshake is done, or not to be."""
        context, within_s = self._tls
        try:
            await self._loop.connect_accepted_socket(
                lambda: self._protocol(early, guest), connection, ssl=context, ssl_handshake_timeout=within_s
            )
        except OSError:
            guest.leave()
            connection.close()
