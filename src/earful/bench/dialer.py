"""Connections to one server, many of them: its address looked up once, a source address for every 1,000.

Guarantees that every attempt ends within 10 s, in a connection, a refusal or a sentence. Used by all that
connects here.
"""

from __future__ import annotations

import asyncio
import ipaddress
import resource
import socket
import ssl
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from earful.bench.peer import Peer, RefusedError
from earful.bench.plan import CannotMeasureError, NoMoreFilesError
from earful.client.address import shown

if TYPE_CHECKING:
    from collections.abc import Sequence
    from urllib.parse import SplitResult

CONNECT_WITHIN_S = 10.0
CONNECTIONS_A_SOURCE = 1_000
"""Before the next address is used: a port rests for a minute, of 28,232, and the fewer are left the longer Linux looks
for one."""

_LOOPBACK = ipaddress.IPv4Address("127.0.0.1")
_AT_ONCE = 50
_SOURCES = 250
_SPARE_FILES = 64


class Dialer:
    """Connects peers to the server at a ws or wss URL."""

    def __init__(
        self, url: str, address: str, tls: ssl.SSLContext | None = None, *, within_s: float = CONNECT_WITHIN_S
    ) -> None:
        """Take the URL with its path, and the IP address of its host; `find` knows it."""
        parts = urlsplit(url)
        self.url = url
        self.request = _request(parts.netloc.rpartition("@")[2], parts.path or "/", parts.query)
        self._host = parts.hostname or ""
        self._address = address
        self._port = _port(parts)
        self._tls = tls
        self._within_s = within_s
        self._dialled = 0

    @classmethod
    async def find(cls, url: str) -> Dialer:
        """Look the server up and see that it listens; raises CannotMeasureError where it does not."""
        parts = urlsplit(url)
        tls = ssl.create_default_context() if parts.scheme == "wss" else None
        return cls(url, await _listening_address(parts, tls), tls)

    async def dial(self, peer: Peer) -> bool:
        """Connect and upgrade in time; False where that fails, which the peer's tally counts."""
        try:
            async with asyncio.timeout(self._within_s):
                await self._connect(peer)
                await peer.upgraded
        except RefusedError as refused:
            peer.tally.refused[str(refused.status)] += 1
        except OSError as error:  # Timeouts and TLS failures too.
            peer.tally.note_unreachable(_reason(error))
        finally:
            if not peer.is_open:
                peer.abort()
        return peer.is_open

    async def dial_all(self, peers: Sequence[Peer]) -> None:
        """Dial all of them, which share a tally, some at a time.

        Raises CannotMeasureError where not one is connected. Where one is refused the others still try; where one is
        not even answered they do not, and are counted.
        """
        tally = peers[0].tally
        for first in range(0, len(peers), _AT_ONCE):
            await asyncio.gather(*(self.dial(peer) for peer in peers[first : first + _AT_ONCE]))
            if tally.unreachable:
                tally.note_unreachable("not tried", max(0, len(peers) - first - _AT_ONCE))
                break
        if not any(peer.is_open for peer in peers):
            raise CannotMeasureError(f"No stream could be connected to {shown(self.url)}: {tally.sentence()}.")

    async def _connect(self, peer: Peer) -> None:
        await asyncio.get_running_loop().create_connection(
            lambda: peer,
            self._address,
            self._port,
            ssl=self._tls,
            server_hostname=self._host if self._tls else None,
            local_addr=self._next_source(),
        )

    def _next_source(self) -> tuple[str, int] | None:
        """Where the next connection comes from; the system's choice but for many to a server on this machine."""
        nth = self._dialled // CONNECTIONS_A_SOURCE % _SOURCES
        self._dialled += 1
        return (str(_LOOPBACK + nth), 0) if nth and self._address == str(_LOOPBACK) else None


def make_room(connections: int) -> None:
    """Let this process open so many sockets; raises NoMoreFilesError where the system does not allow it."""
    wanted = connections + _SPARE_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and wanted > hard:
        text = f"{connections} connections need as many open files, and {hard} are allowed here; see `ulimit -Hn`."
        raise NoMoreFilesError(text)
    if soft != resource.RLIM_INFINITY and wanted > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


async def _listening_address(parts: SplitResult, tls: ssl.SSLContext | None) -> str:
    """The first of a host's addresses that takes a connection."""
    loop = asyncio.get_running_loop()
    host = parts.hostname or ""
    try:
        async with asyncio.timeout(CONNECT_WITHIN_S):
            transport, _ = await loop.create_connection(asyncio.Protocol, host, _port(parts), ssl=tls)
    except socket.gaierror:
        raise CannotMeasureError(f"The host {host!r} is not known.") from None
    except ConnectionRefusedError:
        text = f"Nothing listens at {shown(parts.geturl())}; start the server with `earful serve`."
        raise CannotMeasureError(text) from None
    except (OSError, UnicodeError) as error:
        raise CannotMeasureError(f"No connection to {shown(parts.geturl())}: {_reason(error)}.") from None
    address = str(transport.get_extra_info("peername")[0])
    transport.abort()
    return address


def _reason(error: Exception) -> str:
    return str(error) or "it did not answer in time"


def _port(parts: SplitResult) -> int:
    return parts.port or (443 if parts.scheme == "wss" else 80)


def _request(host: str, path: str, query: str) -> bytes:
    """The request for an upgrade; its key may be the same every time, since nobody caches here."""
    target = f"{path}?{query}" if query else path
    return (
        f"GET {target} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: ZWFyZnVsIGJlbmNoIGtleQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ).encode()
