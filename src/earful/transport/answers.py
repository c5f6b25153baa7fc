"""What answers of both transports share: the body of an error, the request's id, how long to wait."""

from __future__ import annotations

import json
import random
import re
import secrets
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.responses import Response

from earful.errors import CloseCode
from earful.protocol.codec import encode
from earful.protocol.messages import error as error_message
from earful.transport.upgrade import VERSION, Header, response

if TYPE_CHECKING:
    from earful.errors import EarfulError, ErrorCode

SUBPROTOCOL = "earful.v1"
FAULT_REASONS: dict[int, str] = {
    CloseCode.PROTOCOL_ERROR: "protocol_error",
    CloseCode.INVALID_PAYLOAD: "invalid_utf8",
    CloseCode.TOO_BIG: "message_too_big",
}
"""Why a session ended whose peer sent what no WebSocket may, by the code that we closed it with."""
RETRY_STATUSES = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})
"""Of answers that say when to try again."""
_SANE_ID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")
_LONGEST_WAIT_S = 5
UNFIT = "The request is no WebSocket upgrade as RFC 6455 has it."
_STATUS_HEADERS: dict[HTTPStatus, list[Header]] = {
    HTTPStatus.UNAUTHORIZED: [(b"www-authenticate", b'Bearer realm="earful"')],
    HTTPStatus.UPGRADE_REQUIRED: [(b"sec-websocket-version", VERSION.encode())],
    HTTPStatus.METHOD_NOT_ALLOWED: [(b"allow", b"GET")],
}


def request_id_of(given: str | None) -> str:
    """The request's own `x-request-id` where it sent a sane one, else a new one."""
    return given if given is not None and _SANE_ID.fullmatch(given) else secrets.token_hex(8)


def retry_after_s() -> int:
    """How long a refused client should wait: spread, so that they do not all come back at once."""
    return random.randint(1, _LONGEST_WAIT_S)  # noqa: S311 - keeps no secret


def error_body(error: EarfulError, request_id: str) -> bytes:
    """`{"error": {code, message, request_id}}`."""
    return b'%b, "request_id": %b}}' % (_error_start(error.code, error.text), json.dumps(request_id).encode())


@lru_cache(maxsize=64)
def _error_start(code: ErrorCode, text: str) -> bytes:
    """What is the same for all who are refused for one reason, thousands of times a second."""
    return b'{"error": ' + json.dumps({"code": code.value, "message": text}).encode().removesuffix(b"}")


def refusal(error: EarfulError, *, request_id: str, retry_after_s: int | None = None) -> Response:
    """The answer to a request that failed: the row's status and the error's body."""
    special = _STATUS_HEADERS.get(HTTPStatus(error.row.http_status), [])
    headers = {"x-request-id": request_id, **{name.decode(): value.decode() for name, value in special}}
    if retry_after_s is not None:
        headers["retry-after"] = str(retry_after_s)
    return Response(error_body(error, request_id), error.row.http_status, headers, "application/json")


def upgrade_refusal(
    request_id: str, error: EarfulError, server_headers: list[Header], status: HTTPStatus | None = None
) -> bytes:
    """The whole HTTP answer to an upgrade that is refused, with the error's own status unless another is given."""
    status = status or HTTPStatus(error.row.http_status)
    headers = [*server_headers, (b"content-type", b"application/json"), (b"x-request-id", request_id.encode())]
    headers += _STATUS_HEADERS.get(status, [])
    if status in RETRY_STATUSES:
        headers.append((b"retry-after", str(retry_after_s()).encode()))
    return response(status, headers, error_body(error, request_id))


def late_refusal(refused: EarfulError) -> tuple[bytes, CloseCode]:
    """What a browser, which sees no status, is told after the upgrade instead: a message, and the code of the close."""
    may_try_again = refused.row.http_status in RETRY_STATUSES
    wait_ms = random.randint(1000, _LONGEST_WAIT_S * 1000) if may_try_again else None  # noqa: S311 - keeps no secret
    message = error_message(refused.code, text=refused.text, fatal=True, retry_after_ms=wait_ms)
    return encode(message), CloseCode.TRY_LATER if may_try_again else refused.row.close_code
