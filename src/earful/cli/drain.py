"""`earful drain URL`: ask a worker on this machine to drain and end, as SIGTERM would.

Ends with one sentence and 1 where the worker cannot be reached or does not agree. Called by `commands`.
"""

from __future__ import annotations

import http.client
import sys
from urllib.error import HTTPError, URLError
from urllib.request import Request

from earful.cli.asking import address_at, no_address, opener
from earful.client.address import shown

TIMEOUT_S = 10.0
_FAILED = 1
_FORBIDDEN = 403
_NOT_FOUND = 404


def drain(url: str) -> int:
    """Send `POST /v1/drain` to the worker at `url`; the exit code."""
    address = drain_address(url)
    if address is None:
        return _complain_of_address(url)
    place = shown(address)
    try:
        # Through a proxy the worker would not know that it is asked from its own machine.
        with opener().open(Request(address, method="POST"), timeout=TIMEOUT_S):  # noqa: S310 - http and https only
            print(f"{place} is draining.")
            return 0
    except HTTPError as refused:
        return _complain(f"{place} {_refusal(refused)}")
    except (http.client.InvalidURL, UnicodeError):
        return _complain_of_address(url)
    except (URLError, OSError, http.client.HTTPException):
        return _complain(f"Nothing answers at {place}; is the worker running?")


def drain_address(url: str) -> str | None:
    """The address to ask, for a worker's address in any of its forms; None where it is no address."""
    return address_at(url, "/v1/drain")


def _refusal(refused: HTTPError) -> str:
    with refused:  # It holds the connection open.
        if refused.code == _FORBIDDEN:
            return f"answered {refused.code}; only a client on the worker's own machine may drain it."
        if refused.code == _NOT_FOUND:
            return f"answered {refused.code}; where there is an operations listener, only that takes orders."
        return f"answered {refused.code} {refused.reason}".rstrip() + "."


def _complain_of_address(url: str) -> int:
    return _complain(no_address(url))


def _complain(sentence: str) -> int:
    print(f"earful: {sentence}", file=sys.stderr)
    return _FAILED
