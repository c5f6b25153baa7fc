"""`earful drain URL`: ask a worker on this machine to drain and end, as SIGTERM would.

Ends with one sentence and 1 where the worker cannot be reached or does not agree. Called by `commands`.
"""

from __future__ import annotations

import http.client
import sys
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit, urlunsplit
from urllib.request import Request, urlopen

TIMEOUT_S = 10.0
_FAILED = 1


def drain(url: str) -> int:
    """Send `POST /v1/drain` to the worker at `url`; the exit code."""
    address = drain_address(url)
    if address is None:
        return _complain(f"{url} is no address: write it as http://HOST:PORT.")
    try:
        with urlopen(Request(address, method="POST"), timeout=TIMEOUT_S):  # noqa: S310 - http and https only
            print(f"{address} is draining.")
            return 0
    except HTTPError as refused:
        return _complain(f"{address} answered {refused.code}; only a client on the worker's own machine may drain it.")
    except (URLError, OSError, http.client.HTTPException):
        return _complain(f"Nothing answers at {address}; is the worker running?")


def drain_address(url: str) -> str | None:
    """The address to ask, for a worker's address in any of its forms; None where there is no host in it."""
    parts = urlsplit(url if "://" in url else f"http://{url}")
    scheme = {"ws": "http", "wss": "https"}.get(parts.scheme, parts.scheme)
    if scheme not in {"http", "https"} or not parts.hostname:
        return None
    return urlunsplit((scheme, parts.netloc, "/v1/drain", "", ""))


def _complain(sentence: str) -> int:
    print(f"earful: {sentence}", file=sys.stderr)
    return _FAILED
