"""`earful healthcheck`: whether the server that runs with the same settings lives, for a container's own check.

Guarantees an answer within about `TIMEOUT_S`: exit code 0, or one sentence on stderr and 1. Neither a proxy nor a
name server is asked. Called by `__main__`, which spares it typer: it runs every few seconds.
"""

from __future__ import annotations

import os
import sys
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING, Final

from earful.cli.flags import load_settings, settings_parser
from earful.settings import SettingsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from earful.settings import Settings

PATH: Final = "/livez"
TIMEOUT_S: Final = 2.0
_SICK = 1  # Docker knows 0 and 1 only.
_OK = 200
_HERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, not bound


def healthcheck(arguments: Sequence[str]) -> int:
    """Ask the server that `earful serve` with these flags and this environment is; the exit code."""
    parser = settings_parser("healthcheck", "Ask the server with the same settings whether it lives; exit code 0 or 1.")
    try:
        _, settings = load_settings(parser, arguments, os.environ)
    except SettingsError as error:
        return _complain(str(error))
    if settings.port == 0:
        return _complain("With port 0 nobody knows where to ask; name the port.")
    return _ask(server_of(settings))


def server_of(settings: Settings) -> HTTPConnection:
    """A connection, not yet open, to where the server listens; on this machine where it does so everywhere."""
    return HTTPConnection(_HERE.get(settings.host, settings.host), settings.port, timeout=TIMEOUT_S)


def _ask(server: HTTPConnection) -> int:
    place = f"{server.host}:{server.port}"
    try:
        server.request("GET", PATH)
        status = server.getresponse().status
    except TimeoutError:
        return _complain(f"{place} does not answer within {TIMEOUT_S:g} s.")
    except (OSError, HTTPException):
        return _complain(f"Nothing answers at {place}.")
    finally:
        server.close()
    return 0 if status == _OK else _complain(f"{place} answered {status}.")


def _complain(sentence: str) -> int:
    print(f"earful: {sentence}", file=sys.stderr)
    return _SICK
