"""What may be answered beside what a route is for, by status: why, the body, and the headers that come with it.

For OpenAPI. `app.py` adds what the dependencies may answer that it puts before the routes.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from earful.transport.answers import RETRY_STATUSES
from earful.transport.schemas import Alive, Failure, Health

Responses: TypeAlias = dict[int | str, dict[str, Any]]


def _header(name: str, kind: str, meaning: str) -> dict[str, Any]:
    return {"headers": {name: {"description": meaning, "required": True, "schema": {"type": kind}}}}


_CHALLENGE = _header("www-authenticate", "string", "How to be known")
_WAIT = _header("retry-after", "integer", "Seconds to wait")
_HEADERS: dict[int, dict[str, Any]] = {401: _CHALLENGE, **dict.fromkeys(RETRY_STATUSES, _WAIT)}


def _failures(*statuses: tuple[int, str]) -> Responses:
    return {status: {"model": Failure, "description": text, **_HEADERS.get(status, {})} for status, text in statuses}


ASKED = _failures(
    (401, "Nobody who is known (`auth`)"),
    (403, "Not for this page (`allowed_origins`)"),
    (429, "Too many requests of this address (`max_handshakes_per_s`)"),
    (503, "Draining, or it took too long to decide who it is (`auth`)"),
)
"""Of routes that are not open to all; by default, with none of these settings, none of it."""
FOR_OPERATORS = ASKED | _failures((403, "Not for this page (`allowed_origins`), or for operators alone (`auth`)"))
BAD_PARAMETERS = _failures((422, "Bad parameters"))
NO_SESSION = _failures(
    (404, "No live session of this id"),
    (422, "Bad parameters"),
    (503, "Not this worker's, and the store is away; or draining"),
)
NO_EVENTS = _failures(
    (404, "Nothing is known of it"),
    (422, "Bad parameters"),
    (503, "Nothing is known here, and the store is away; or draining"),
)
FORBIDDEN = _failures((403, "Not for whoever asks"))
NO_LEVEL = FORBIDDEN | _failures((413, "More than an order may have"), (422, "No such level"))
HEALTH_ERRORS: Responses = {503: {"model": Health, "description": "Starting or draining"}}
READY_ERRORS: Responses = {503: {"model": Alive, "description": "Starting or draining"}}
UPLOAD_ERRORS = _failures(
    (400, "Not audio"),
    (413, "Too large or too long"),
    (415, "No decoder for it is installed"),
    (422, "Bad parameters, or a form without the field file"),
    (429, "Too many requests of this address (`max_handshakes_per_s`), or as many of its tenant as may be (`auth`)"),
    (500, "The model failed"),
    (503, "Not ready, draining or full"),
    (504, "The model took too long"),
)
