"""From a server's address to an open WebSocket, or to one sentence that says why not.

Guarantees a deadline and that every failure is a ConnectError with its `Loss`. Called by both clients;
`websockets` does the work.
"""

from __future__ import annotations

from socket import gaierror
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus, InvalidURI, WebSocketException

from earful.client.address import shown
from earful.client.losses import Advice, Loss, loss_by_refusal, loss_by_trouble

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

    from websockets.asyncio.client import ClientConnection

STREAM_PATH = "/v1/transcribe/stream"

_CLOSE_S = 1.0
"""For a peer to take its leave."""

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class ClientError(Exception):
    """What a client of earful may raise; the text is one sentence."""


class ConnectError(ClientError):
    """The server cannot be reached or refuses the connection; `loss` says whether that may change."""

    def __init__(self, loss: Loss) -> None:
        super().__init__(loss.sentence)
        self.loss = loss


def stream_url(url: str, *, resuming: bool = False) -> str:
    """Complete a server's address: ws(s) for http(s), the stream's path where it has none, `resume=1` if so.

    Raises ConnectError where it is no address.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port  # Read for its ValueError.
    except ValueError:
        raise _no_address(url) from None
    scheme = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}.get(parts.scheme)
    if scheme is None or not parts.hostname:
        raise _no_address(url)
    path = parts.path if parts.path.strip("/") else STREAM_PATH
    query = "&".join(filter(None, (parts.query, "resume=1" if resuming else "")))
    return parts._replace(scheme=scheme, path=path, query=query).geturl()


async def connect_to(
    url: str,
    within_s: float,
    *,
    headers: Mapping[str, str] | None = None,
    tls: ssl.SSLContext | None = None,
) -> ClientConnection:
    """Connect to a complete address, through the environment's proxy unless it is on this machine.

    `tls` is for wss. Raises ConnectError.
    """
    parts = urlsplit(url)
    try:
        # No pings of the library's: a server that holds its reading back answers none, and is well.
        return await connect(
            url,
            additional_headers=headers,
            ssl=(tls or True) if parts.scheme == "wss" else None,
            open_timeout=within_s,
            close_timeout=_CLOSE_S,
            ping_interval=None,
            compression=None,
            proxy=None if parts.hostname in _LOOPBACK else True,
        )
    except ConnectionRefusedError:
        sentence = f"Nothing listens at {shown(url)}; start the server with `earful serve`."
        raise ConnectError(loss_by_trouble(sentence, is_nobody=True)) from None
    except InvalidStatus as error:
        answer = error.response
        loss = loss_by_refusal(answer.status_code, answer.headers.get("retry-after"), bytes(answer.body or b""))
        raise ConnectError(loss) from None
    except (InvalidURI, UnicodeError):
        raise _no_address(url) from None
    except (OSError, WebSocketException, TimeoutError) as error:
        sentence = f"No connection to {shown(url)}: {str(error) or 'it did not answer in time'}."
        # A name that nobody knows is nobody; who broke off or kept silent may be a worker that just died.
        raise ConnectError(loss_by_trouble(sentence, is_nobody=isinstance(error, gaierror))) from None


def _no_address(url: str) -> ConnectError:
    sentence = f"{shown(url)} is not an address of a server; write it as ws://127.0.0.1:8000."
    return ConnectError(Loss(Advice.GIVE_UP, sentence))
